"""Result of the search for test examples that training has seen: ``Leaks`."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.option import option

MOST_PAIRS = 1_000_000
"""The most pairs of a test and a training image that are looked at without being asked to."""


def leaks_option() -> Any:
    """`leaks`: whether duplicates are looked for in large sets too."""
    return option(
        False,
        "Look for images of the evaluated set that have a near duplicate among the training images of the data, and give the "
        f"accuracy without them. Default: only where there are at most {MOST_PAIRS:,} pairs.",
    )


@dataclass(frozen=True, kw_only=True)
class Leak:
    """An image and its near duplicate among the training images: their indices from 0, and files where they have these."""

    index: int
    file: str
    training_index: int
    training_file: str


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """Examples of the evaluated set that have a near duplicate among the training examples.

    Attributes:
        n: Number of examples.
        count: Number of those with a duplicate.
        without: The accuracy without them; None if none is left.
        gain: The accuracy of all less that without them; None where one of both is empty.
        pairs: At most 1,000 of them.
    """

    n: int
    count: int
    without: Estimate | None
    gain: Difference | None
    pairs: tuple[Leak, ...]
