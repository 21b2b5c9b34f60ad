"""From which probability on enough of the pairs called duplicates are such: the operating point, chosen on held-out pairs.

The point is the smallest threshold at which the lower bound of the precision, of Wilson's 95% interval, reaches what is
wanted. To look at many thresholds and take one that passes favours the lucky. Two things hold that down: only the few of
`GRID`, fixed in advance, are looked at, and pairs called at one are called at all below it, so that thresholds are lucky
together. A single look has the true precision below its bound in 2.5 of 100 draws of held-out pairs; the choice among all,
simulated with independent pairs, had it below what is wanted in 3 of 100 at most. Two things are not held down: pairs that
share questions are not independent, and where a precision is all but out of reach, only the lucky are given a point.
`benchmarks/dedupe_quora.py` holds points to other questions than those that they were chosen on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.stats import wilson
from dlcli.specs.estimates import Estimate
from dlcli.support.errors import CheckFailedError

GRID = tuple(k / 20 for k in range(1, 20))
"""The thresholds that may be chosen: 0.05, 0.10, ... 0.95."""

ThresholdCounts = tuple[float, int, int]
"""A threshold, how many held-out pairs are called duplicates at or above it, and how many of these are."""


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, in `GRID`, and the `precision` of held-out pairs at or above it."""

    threshold: float
    precision: Estimate


def count_by_threshold(probability: NDArray[np.float64], duplicate: NDArray[np.bool_]) -> list[ThresholdCounts]:
    """The counts for each threshold from 0.01 to 0.99; both are (pairs,)."""
    thresholds = (np.arange(1, 100) / 100).tolist()
    return [(t, int((probability >= t).sum()), int(duplicate[probability >= t].sum())) for t in thresholds]


def choose_threshold(counts: Sequence[ThresholdCounts], wanted: float, by: str) -> OperatingPoint:
    """The smallest threshold at which the lower bound of the precision is `wanted`, in (0, 1], or more.

    Raises CheckFailedError, with the largest bound there is, if no threshold reaches it; `by` is what gave the probabilities.
    """
    points = [OperatingPoint(t, wilson(right, called)) for t, called, right in counts if called and t in GRID]
    reached = [point for point in points if point.precision.low >= wanted]
    if reached:
        return min(reached, key=lambda point: point.threshold)
    learn = "dlcli train PAIRS.csv --task pairs learns from labelled pairs of your own"
    if not points:
        raise CheckFailedError(f"--precision {wanted:g} is out of reach: {by} calls no held-out pair a duplicate", hint=learn)
    best = max(points, key=lambda point: point.precision.low)
    # Rounded down, so that what is told can be typed.
    bound = int(best.precision.low * 1000) / 1000
    said = f"on held-out pairs the lower bound for {by} is {bound:g} at most, from a probability of {best.threshold:g} on"
    raise CheckFailedError(f"--precision {wanted:g} is out of reach: {said}", hint=f"--precision {bound:g} or less, or {learn}")
