"""Shares of a finite set that is examined in random order: intervals that hold at every moment, so that one may stop at any.

The prior-posterior ratio of Waudby-Smith and Ramdas 2020 (Confidence sequences for sampling without replacement, arXiv
2006.04347, theorem 2.1). For the true number of successes, the prior probability over the posterior one is a martingale that
starts at 1; by Ville's inequality it ever reaches 20 with probability 0.05 at most. The numbers for which it has not are the
interval.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from dlcli.specs.estimates import Difference, Estimate

LEVEL = 0.05
Prior = tuple[float, float]
"""The parameters of a beta-binomial prior of the number of successes. The interval holds with any that is chosen beforehand; it
is narrow soon where the prior has most of its probability."""
UNIFORM: Prior = (1.0, 1.0)


@lru_cache(maxsize=1 << 16)
def possible_successes(
    successes: int, seen: int, total: int, *, level: float = LEVEL, prior: Prior = UNIFORM
) -> tuple[int, int]:
    """The interval of the number of successes in the whole set.

    If the order is random, the truth is in the interval at every moment with probability 1 - `level` at least, whatever the
    rule to stop.

    Args:
        successes: Successes among the examples that were seen.
        seen: Number of these.
        total: Number of examples of the whole set.
        level: The probability of an error at any moment, at most.
        prior: What is thought of the number before any example is seen.

    Returns:
        The least and the greatest number of successes.

    Raises:
        ValueError: If the numbers do not fit.
    """
    if not 0 <= successes <= seen <= total or total < 1:
        raise ValueError(f"{successes} successes of {seen} of {total}")
    rest = total - seen
    numbers = successes + np.arange(rest + 1)
    a, b = prior
    after = _log_probability(numbers - successes, rest, (a + successes, b + seen - successes))
    kept = _log_probability(numbers, total, prior) - after < -np.log(level)
    found = numbers[kept]
    return int(found[0]), int(found[-1])


def _log_probability(numbers: NDArray[np.int64], total: int, parameters: Prior) -> NDArray[np.float64]:
    """The logarithm of the beta-binomial probability of each number of successes out of a total."""
    a, b = parameters
    ways = gammaln(total + 1) - gammaln(numbers + 1) - gammaln(total - numbers + 1)
    found: NDArray[np.float64] = ways + betaln(numbers + a, total - numbers + b) - betaln(a, b)
    return found


def anytime_share(successes: int, seen: int, total: int, *, level: float = LEVEL, prior: Prior = UNIFORM) -> Estimate:
    """The share of successes in the whole set, estimated by that of the examples seen, with its interval at any moment.

    Args:
        successes: Successes among the examples that were seen, at least one.
        seen: Number of these.
        total: Number of examples of the whole set.
        level: The probability that the interval ever misses the truth, at most.
        prior: What is thought of the number of successes before any example is seen.

    Returns:
        The estimate; once all are seen it is exact.
    """
    low, high = possible_successes(successes, seen, total, level=level, prior=prior)
    return Estimate(successes / seen, low / total, high / total, seen)


def anytime_difference(more: int, less: int, seen: int, total: int) -> Difference:
    """The difference of the successes of two classifiers on the whole set, per example, with its interval at any moment.

    Each of both numbers is in its interval with probability 1 - `LEVEL` / 2, so both are with 1 - `LEVEL` (Bonferroni).

    Args:
        more: Examples among those seen on which only the first succeeds.
        less: Those on which only the second does.
        seen: Number of examples seen, at least one.
        total: Number of examples of the whole set.

    Returns:
        The first minus the second; once all are seen it is exact.
    """
    gained, lost = (possible_successes(one, seen, total, level=LEVEL / 2) for one in (more, less))
    return Difference((more - less) / seen, (gained[0] - lost[1]) / total, (gained[1] - lost[0]) / total, seen)


def decided(share: Estimate, fails: Callable[[float], bool]) -> bool | None:
    """Whether the whole set fails a rule that is monotone in its share: None while its interval holds both answers.

    Args:
        share: An `anytime_share`.
        fails: Whether a share of the whole set fails.

    Returns:
        The answer at both ends, if they agree.
    """
    low, high = fails(share.low), fails(share.high)
    return low if low == high else None
