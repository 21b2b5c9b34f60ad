"""How many seeds establish a difference: the option of `dlcli train` and what its result tells."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.option import option

POWER = 0.8
"""How often a difference of the size asked for is to be established."""


@dataclass(frozen=True, kw_only=True)
class SeedsNeeded:
    """How many seeds establish a difference of a given size in four of five comparisons.

    Attributes:
        effect: The size of the difference, in the unit of the metric: 0.005 is half a point of accuracy.
        seeds: Number of seeds, or of draws of labels where differences are over these, for which the uncertain spread of the
            few pairs there are counts; None if more than `most`.
        seeds_if_exact: The same if the standard deviation seen were exact; None if more than `most`.
        most: The largest number of seeds of a comparison.
        power: With as many seeds as this comparison has, how often such a difference is established, in (0, 1).
        deviation: Standard deviation of the paired differences.
        minutes: Minutes that `seeds` take at the pace of this comparison.
    """

    effect: float
    seeds: int | None
    seeds_if_exact: int | None
    most: int
    power: float
    deviation: float
    minutes: float | None


def detect_option() -> Any:
    """`detect`: the size of a difference."""
    return option(
        None,
        "Also tell how many seeds, and minutes, establish a difference of SIZE in four of five comparisons, from the spread "
        "over the seeds there are. SIZE is in the unit of the metric: 0.005 is half a point of accuracy.",
        above=0,
        metavar="SIZE",
    )
