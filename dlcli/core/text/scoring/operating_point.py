"""Choose a threshold for a wanted precision, on held-out pairs: the operating point.

It is the smallest threshold at which the lower bound of the precision (95% interval) reaches the wanted precision. The bound is
by component: pairs that share texts, or are linked by pairs that do, resemble each other, and count as the number of
independent pairs that would vary as much (`effective_size`). Choosing the best of many thresholds favours lucky ones. Two
things limit this: only the few thresholds of `GRID`, fixed in advance, are tried, and the pairs predicted to be duplicates at
one threshold are so at all lower ones, so that the estimates are correlated. A single estimate has the true precision below its
lower bound in 2.5 of 100 draws of held-out pairs; docs/statistics.md has how often the choice among all does, for
independent pairs and for components of 15. One thing is not accounted for: where a precision is hardly reachable, only lucky
draws have a point. `benchmarks/dedupe_quora.py` checks the points on other questions than those they were chosen on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from dlcli.core.grouped import effective_size, group_sums
from dlcli.core.proportion import effective_share
from dlcli.specs.command_line import command_line
from dlcli.specs.dedupe import LOWEST_PRECISION
from dlcli.specs.estimates import Estimate
from dlcli.support.errors import CheckFailedError

GRID = tuple(k / 20 for k in range(1, 20))
"""The thresholds that may be chosen: 0.05, 0.10, ... 0.95."""


class ThresholdCounts(NamedTuple):
    """A threshold, and the held-out pairs at or above it, the predicted duplicates.

    Attributes:
        threshold: The threshold.
        predicted_positive: Number of these pairs.
        true_positive: How many of them are duplicates.
        effective: How many independent pairs tell as much of the precision, at most `predicted_positive`.
    """

    threshold: float
    predicted_positive: int
    true_positive: int
    effective: float


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold of `GRID`, and the precision of the pairs at or above it, None if there are none."""

    threshold: float
    precision: Estimate | None


def count_by_threshold(
    probability: NDArray[np.float64], duplicate: NDArray[np.bool_], component: NDArray[np.integer]
) -> list[ThresholdCounts]:
    """Count predicted and true duplicates at each threshold 0.01, 0.02, ... 0.99; all arguments are (pairs,).

    Pairs of one `component` share texts, or are linked by pairs that do.
    """
    numbers = np.unique(component, return_inverse=True)[1]
    found = []
    for threshold in (np.arange(1, 100) / 100).tolist():
        called = probability >= threshold
        of, right = group_sums(called, numbers), group_sums(called & duplicate, numbers)
        effective = round(effective_size(right, of), 2) if called.any() else 0.0
        found.append(ThresholdCounts(threshold, int(called.sum()), int(right.sum()), effective))
    return found


def choose_by_probability(probability: NDArray[np.float64], wanted: float, error: tuple[float, float]) -> OperatingPoint:
    """The smallest threshold at which the lower bound of the precision expected among these pairs is at least `wanted`.

    If probabilities were right, the precision would be the mean of those at or above the threshold. They are so on average over
    tables; how far the precision of single tables is off gives the interval.

    Args:
        probability: The probability of each pair of a table, (pairs,).
        wanted: The precision, in (0, 1].
        error: Log-odds of the precision less those of the mean, 2.5% and 97.5% quantile over tables.

    Returns:
        The threshold, and the precision expected there; if no pair can be called, one that none reaches.

    Raises:
        CheckFailedError: If no threshold reaches it, with the best lower bound.
    """
    called = {threshold: probability[probability >= threshold] for threshold in GRID}
    found = {threshold: expected_precision(some, error) for threshold, some in called.items() if len(some)}
    if len(found) < len(GRID) and not any(precision.low >= wanted for precision in found.values()):
        return OperatingPoint(GRID[len(found)], None)
    threshold = smallest_reaching(found, wanted, "the lower bound expected in this table", _LABEL)
    return OperatingPoint(threshold, found[threshold])


def expected_precision(probability: NDArray[np.float64], error: tuple[float, float]) -> Estimate:
    """The precision of pairs with these probabilities, (pairs,), all called duplicates; see `choose_by_probability`."""
    mean = float(np.clip(probability.mean(), 1e-6, 1 - 1e-6))
    low, high = (float(expit(logit(mean) + shift)) for shift in error)
    return Estimate(mean, min(low, mean), max(high, mean), len(probability))


def choose_threshold(counts: Sequence[ThresholdCounts], wanted: float, by: str) -> OperatingPoint:
    """The smallest threshold at which the lower bound of the precision is at least `wanted`, in (0, 1].

    `by` names the scorer, for messages. Raises CheckFailedError, with the best lower bound, if no threshold reaches it.
    """
    found = {t: effective_share(true, n, effective) for t, n, true, effective in counts if n and t in GRID}
    if found:
        threshold = smallest_reaching(found, wanted, f"on held-out pairs the lower bound for {by}", _learn())
        return OperatingPoint(threshold, found[threshold])
    raise CheckFailedError(f"`precision={wanted:g}` is out of reach: {by} calls no held-out pair a duplicate", hint=_learn())


def smallest_reaching(found: Mapping[float, Estimate], wanted: float, bound_of: str, otherwise: str) -> float:
    """The smallest threshold with a lower bound of at least the wanted precision.

    Args:
        found: The precision at each threshold.
        wanted: The precision.
        bound_of: What the bound is that of, for the message.
        otherwise: What else to do, for the hint.

    Returns:
        The threshold.

    Raises:
        CheckFailedError: If none reaches it, with the best lower bound.
    """
    reached = [threshold for threshold, precision in found.items() if precision.low >= wanted]
    if reached:
        return min(reached)
    if not found:
        raise CheckFailedError(f"`precision={wanted:g}`: {bound_of} is not known, too few are labelled", hint=otherwise)
    best = max(found, key=lambda threshold: found[threshold].low)
    # Rounded down, so that the suggested value is reached.
    bound = int(found[best].low * 1000) / 1000
    lower = f"`precision={bound:g}` or less, or " if bound >= LOWEST_PRECISION else ""
    reach = f"{bound_of} is at most {bound:g}, at a threshold of {best:g}"
    raise CheckFailedError(f"`precision={wanted:g}` is out of reach: {reach}", hint=f"{lower}{otherwise}")


_LABEL = "label pairs of this table, which `label=100` draws, and pass them as `labelled=FILE`"


def _learn() -> str:
    return f"train a scorer on labelled pairs with {command_line('train', data='PAIRS.csv', task='pairs')}"
