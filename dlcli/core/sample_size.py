"""How many pairs establish a difference of a given size, from the spread that a few pilot pairs have shown."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, nctdtr, stdtrit

_POINTS = 400
"""Quantiles at which the unknown standard deviation is taken."""


def expected_power(n: int, effect: float, deviation: float, degrees: int, *, level: float = 0.05) -> float:
    """How often n pairs establish a difference, when its spread is known from pilot pairs only.

    The test is the two-sided paired t-test, whose power is that of the noncentral t distribution (Cohen 1988, ch. 2). Its
    standard deviation is the pilot's times sqrt(d / chi2) with d degrees of freedom, over which the power is averaged: few
    pilots may show far too small a spread. So it is the share of pairs of a pilot and a study that establish the difference.

    Args:
        n: Number of pairs, at least 2.
        effect: The true mean difference, above 0.
        deviation: The standard deviation of the differences of the pilot, above 0.
        degrees: Its degrees of freedom, the number of pilot pairs minus 1; 0 takes the standard deviation as exact.
        level: The level of the test.

    Returns:
        The power, in (0, 1).
    """
    away = effect / deviation * sqrt(n) * _inverse_deviations(degrees)
    bound = stdtrit(n - 1, 1 - level / 2)
    # nctdtr gives NaN far out, where the one is 0 and the other at most P(Z < -7) too.
    below, beyond = (np.nan_to_num(nctdtr(n - 1, away, end), nan=0.0) for end in (bound, -bound))
    return float(np.mean(1 - below + beyond))


def pairs_needed(
    effect: float, deviation: float, degrees: int, *, power: float = 0.8, level: float = 0.05, most: int
) -> int | None:
    """The smallest number of pairs with an `expected_power` of at least `power`.

    Args:
        effect: The true mean difference, above 0.
        deviation: The standard deviation of the differences of the pilot, at least 0.
        degrees: Its degrees of freedom; 0 takes the standard deviation as exact.
        power: How often the difference is to be established, in (0, 1).
        level: The level of the test.
        most: The largest number that is looked at.

    Returns:
        The number, at least 2; None if it is above `most`.
    """

    def enough(n: int) -> bool:
        return deviation == 0 or expected_power(n, effect, deviation, degrees, level=level) >= power

    low, high = 1, 2
    while not enough(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _inverse_deviations(degrees: int) -> NDArray[np.float64]:
    """Pilot over true standard deviation, sqrt(chi2 / d), at equally likely points."""
    if degrees == 0:
        return np.ones(1)
    shares = (np.arange(_POINTS) + 0.5) / _POINTS
    inverse: NDArray[np.float64] = np.sqrt(2 * gammaincinv(degrees / 2, shares) / degrees)
    return inverse
