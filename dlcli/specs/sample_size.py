"""How many seeds or images establish a difference: the options of `dlcli train` and `eval`, and what their results tell."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.estimates import Estimate
from dlcli.specs.option import option
from dlcli.support.errors import UsageError

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


def check_detect(effect: float | None, below: float | None) -> None:
    """Raise UsageError for a size that no difference has: none reaches `below`; None for a metric without a limit."""
    if effect is None or below is None or effect < below:
        return
    hint = f"{effect:g}% is {effect / 100:g}" if below == 1 and effect <= 100 else "choose a smaller difference"
    raise UsageError(f"`detect`: {effect:g} is not below {below:g}, and no difference is that large", hint=hint)


@dataclass(frozen=True, kw_only=True)
class ImagesForShare:
    """How many images establish a difference, by how often two classifiers differ.

    Attributes:
        share: The share of images that only one of both is right on.
        images: With as many the difference is established in four of five test sets.
        power: How often it is with as many as there are, in (0, 1].
    """

    share: float
    images: int
    power: float


@dataclass(frozen=True, kw_only=True)
class ImagesNeeded:
    """How many test images establish a difference of accuracies of a given size in four of five test sets.

    Attributes:
        effect: The size: 0.01 is one point.
        n: Number of images that there are.
        disagreement: The share of them that only one of both classifiers is right on; None without `against`.
        shares: For that share and both ends of its interval, which are at least `effect`; without `against` for usual shares.
    """

    effect: float
    n: int
    disagreement: Estimate | None
    shares: tuple[ImagesForShare, ...]


def detect_images_option() -> Any:
    """`detect`: the size of a difference of accuracies."""
    return option(
        None,
        "Also tell how many images establish a difference of SIZE between two networks in four of five test sets, from how "
        "often this one and that of `against` differ, or for usual shares: 0.01 is a point of accuracy.",
        above=0,
        below=1,
        metavar="SIZE",
    )
