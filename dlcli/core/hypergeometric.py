"""Exact intervals for the number of hits in a finite population, from a simple random sample of it."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln


class Bounds(NamedTuple):
    """The smallest and largest number of hits in a population that a sample allows."""

    low: int
    high: int


@lru_cache(maxsize=1 << 12)
def hypergeometric_bounds(hits: int, drawn: int, population: int, confidence: float = 0.95) -> Bounds:
    """The exact interval for the number of hits in a population (Buonaccorsi 1987, Am. Stat. 41; Cochran 1977, section 3.6).

    It is that of Clopper and Pearson for draws without replacement: each tail has at most (1 - confidence) / 2, whatever the
    number is, so it covers at least as often as it says. A population that was drawn as a whole is known exactly.

    Args:
        hits: Hits in the sample.
        drawn: Size of the sample; with 0 nothing is known.
        population: Size of the population.
        confidence: Smallest coverage.

    Returns:
        The bounds.

    Raises:
        ValueError: If there are more hits than were drawn, or more drawn than there are.
    """
    if not 0 <= hits <= drawn <= population:
        raise ValueError(f"{hits} hits of {drawn} drawn from {population}")
    tail = (1 - confidence) / 2
    least, most = hits, population - (drawn - hits)
    low = _first(least, most, lambda number: _tail(hits, drawn, drawn, population, number) > tail) if hits else least
    high = (
        most if hits == drawn else _first(least, most + 1, lambda number: _tail(0, hits, drawn, population, number) <= tail) - 1
    )
    return Bounds(low, high)


def _first(start: int, end: int, holds: Callable[[int], bool]) -> int:
    """The first number in [start, end) from which on a condition holds, by bisection; `end` if it holds for none."""
    while start < end:
        middle = (start + end) // 2
        start, end = (start, middle) if holds(middle) else (middle + 1, end)
    return start


def _tail(first: int, last: int, drawn: int, population: int, number: int) -> float:
    """Probability of `first` to `last` hits among `drawn` of a population with `number` of them."""
    first, last = max(first, drawn - (population - number)), min(last, number)
    if first > last:
        return 0.0
    hits = np.arange(first, last + 1)
    logs = _choose(number, hits) + _choose(population - number, drawn - hits) - _choose(population, np.array(drawn))
    return float(np.exp(logs).sum())


def _choose(n: int, k: NDArray[np.integer]) -> NDArray[np.float64]:
    """Logarithm of the number of ways to choose k of n."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
