"""Choose a threshold for a wanted precision, on held-out pairs: the operating point.

It is the smallest threshold at which the lower bound of the precision (Wilson's 95% interval) reaches the wanted precision.
Choosing the best of many thresholds favours lucky ones. Two things limit this: only the few thresholds of `GRID`, fixed in
advance, are tried, and the pairs predicted to be duplicates at one threshold are so at all lower ones, so that the estimates
are correlated. A single estimate has the true precision below its lower bound in 2.5 of 100 draws of held-out pairs; the choice
among all, simulated with independent pairs, fell below the wanted precision in 3 of 100 at most. Two things are not accounted
for: pairs that share questions are not independent, and where a precision is hardly reachable, only lucky draws have a point.
`benchmarks/dedupe_quora.py` checks the points on other questions than those they were chosen on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.stats import wilson
from dlcli.specs.command_line import command_line
from dlcli.specs.dedupe import LOWEST_PRECISION
from dlcli.specs.estimates import Estimate
from dlcli.support.errors import CheckFailedError

GRID = tuple(k / 20 for k in range(1, 20))
"""The thresholds that may be chosen: 0.05, 0.10, ... 0.95."""


class ThresholdCounts(NamedTuple):
    """A threshold, the number of held-out pairs at or above it (predicted duplicates), and how many of them are duplicates."""

    threshold: float
    predicted_positive: int
    true_positive: int


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold of `GRID`, and the precision of the held-out pairs at or above it."""

    threshold: float
    precision: Estimate


def count_by_threshold(probability: NDArray[np.float64], duplicate: NDArray[np.bool_]) -> list[ThresholdCounts]:
    """Count predicted and true duplicates at each threshold 0.01, 0.02, ... 0.99; both arguments are (pairs,)."""
    thresholds = (np.arange(1, 100) / 100).tolist()
    predicted = [probability >= threshold for threshold in thresholds]
    return [ThresholdCounts(t, int(at.sum()), int(duplicate[at].sum())) for t, at in zip(thresholds, predicted, strict=True)]


def choose_threshold(counts: Sequence[ThresholdCounts], wanted: float, by: str) -> OperatingPoint:
    """The smallest threshold at which the lower bound of the precision is at least `wanted`, in (0, 1].

    `by` names the scorer, for messages. Raises CheckFailedError, with the best lower bound, if no threshold reaches it.
    """
    points = [OperatingPoint(t, wilson(true, predicted)) for t, predicted, true in counts if predicted and t in GRID]
    reached = [point for point in points if point.precision.low >= wanted]
    if reached:
        return min(reached, key=lambda point: point.threshold)
    learn = f"train a scorer on labelled pairs with {command_line('train', data='PAIRS.csv', task='pairs')}"
    if not points:
        raise CheckFailedError(f"`precision={wanted:g}` is out of reach: {by} calls no held-out pair a duplicate", hint=learn)
    best = max(points, key=lambda point: point.precision.low)
    # Rounded down, so that the suggested value is reached.
    bound = int(best.precision.low * 1000) / 1000
    reach = f"on held-out pairs the lower bound for {by} is at most {bound:g}, at a threshold of {best.threshold:g}"
    lower = f"`precision={bound:g}` or less, or " if bound >= LOWEST_PRECISION else ""
    raise CheckFailedError(f"`precision={wanted:g}` is out of reach: {reach}", hint=f"{lower}{learn}")
