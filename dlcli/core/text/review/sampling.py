"""A random sample of scored pairs to label, and what the labels tell of all pairs: precision, and the share that is found.

The pairs at or above the threshold are one stratum, those from half of it on another; each is drawn from at random, without
replacement. Rows come from both in turn and in random order, so that the first n are such a sample too: labels may stop
anywhere, and a longer sample begins with a shorter one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.hypergeometric import hypergeometric_bounds
from dlcli.specs.estimates import Estimate

FEWEST = 10
"""Fewer labelled pairs give no estimate, unless they are all there are."""
_SEED = 0

Probabilities = NDArray[np.floating]
Indices = NDArray[np.intp]


class Stratum(NamedTuple):
    """Pairs with a probability of `low` or more and, unless that is 1, less than `high`."""

    low: float
    high: float

    def holds(self, probability: Probabilities) -> NDArray[np.bool_]:
        """Which pairs are in it, (pairs,)."""
        return (probability >= self.low) & ((probability < self.high) | (self.high == 1))


def strata(lowest: float, threshold: float) -> list[Stratum]:
    """The strata of a threshold, the upper one first; a single one if `threshold` is `lowest`."""
    return [
        stratum
        for stratum in (Stratum(threshold, 1.0), Stratum(lowest, threshold))
        if stratum.low < stratum.high or stratum.low == 1
    ]


def shuffled(stratum: Stratum, probability: Probabilities) -> Indices:
    """The pairs of a stratum in the order in which they are drawn, which depends on nothing but the pairs."""
    inside = np.flatnonzero(stratum.holds(probability))
    return inside[np.random.default_rng((_SEED, len(inside))).permutation(len(inside))]


def draw(parts: Sequence[Stratum], probability: Probabilities, count: int) -> list[int]:
    """Draw `count` pairs, or all if there are fewer, from the strata in turn; the indices of the pairs."""
    columns = [shuffled(stratum, probability).tolist() for stratum in parts]
    return [k for row in zip_longest(*columns) for k in row if k is not None][:count]


@dataclass(frozen=True)
class LabelledSample:
    """The labelled pairs of a sample, and the pairs that it was drawn from.

    Attributes:
        parts: The strata.
        population: Probability of all pairs, (pairs,).
        probability: Probability of each labelled pair, (labelled,).
        duplicate: Its label, (labelled,).
    """

    parts: Sequence[Stratum]
    population: Probabilities
    probability: Probabilities
    duplicate: NDArray[np.bool_]

    def precision(self, threshold: float) -> Estimate | None:
        """The fraction of duplicates among all pairs at or above a threshold; None if too few of them are labelled.

        The number of duplicates in each stratum has an exact interval. Those of two are combined by the square-and-add rule
        (Zou and Donner 2008, Stat. Med. 27, MOVER).
        """
        above = self._cells(threshold, 1.0)
        size, labelled = sum(cell.size for cell in above), sum(cell.drawn for cell in above)
        if not size or any(cell.size and not cell.drawn for cell in above) or labelled < min(FEWEST, size):
            return None
        number = _total(above, 0.95)
        return Estimate(number.value / size, number.low / size, number.high / size, labelled)

    def found(self, threshold: float) -> Estimate | None:
        """The fraction of the duplicates in all strata that are at or above a threshold; None if too few pairs are labelled.

        Its bounds are those of the numbers above and below, at 97.5% each, so that both hold in at least 95% (Bonferroni).
        """
        parts = [self._cells(threshold, 1.0), self._cells(0.0, threshold)]
        cells = [cell for part in parts for cell in part]
        labelled = sum(cell.drawn for cell in cells)
        if any(cell.size and not cell.drawn for cell in cells) or labelled < min(FEWEST, sum(cell.size for cell in cells)):
            return None
        above, below = (_total(part, 0.975) for part in parts)
        if not above.value + below.value:
            return None
        low = above.low / (above.low + below.high) if above.low else 0.0
        high = above.high / (above.high + below.low)
        return Estimate(above.value / (above.value + below.value), low, high, labelled)

    def _cells(self, low: float, high: float) -> list["_Cell"]:
        """The pairs of each stratum with a probability in [low, high), or up to 1; a random sample of each is labelled."""
        within = Stratum(low, high)
        cells = []
        for stratum in self.parts:
            size = int((stratum.holds(self.population) & within.holds(self.population)).sum())
            drawn = stratum.holds(self.probability) & within.holds(self.probability)
            cells.append(_Cell(size, int(drawn.sum()), int(self.duplicate[drawn].sum())))
        return cells


class _Cell(NamedTuple):
    """Pairs, how many of them are labelled, and how many of these are duplicates."""

    size: int
    drawn: int
    duplicates: int


class _Number(NamedTuple):
    """An estimated number of duplicates with its interval."""

    value: float
    low: float
    high: float


def _total(cells: Sequence[_Cell], confidence: float) -> _Number:
    """The number of duplicates in several cells together."""
    some = [cell for cell in cells if cell.size]
    values = [cell.size * cell.duplicates / cell.drawn for cell in some]
    bounds = [hypergeometric_bounds(cell.duplicates, cell.drawn, cell.size, confidence) for cell in some]
    value = sum(values)
    below, above = (sqrt(sum((bound[side] - one) ** 2 for one, bound in zip(values, bounds, strict=True))) for side in (0, 1))
    return _Number(value, max(0.0, value - below), min(float(sum(cell.size for cell in some)), value + above))
