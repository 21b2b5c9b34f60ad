"""95% confidence intervals for accuracies and for differences of accuracies, paired or independent."""

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtr, stdtr, stdtrit

from dlcli.specs.estimates import Difference, Estimate

_Z = 1.959963984540054
"""The 97.5% point of the standard normal distribution."""
_HALVINGS = 45
"""Of an interval of standard errors, until a p-value is known to rounding."""


def wilson(successes: float, n: int) -> Estimate:
    """The proportion `successes / n` with its score interval (Wilson 1927, JASA 22; Brown et al. 2001, eq. 4).

    `successes` is in [0, n] and may be fractional: a mean over several classifiers evaluated on the same n examples. That is
    conservative, since the variance of a mean in [0, 1] is at most that of a 0/1 outcome with the same mean.
    Raises ValueError if n is not positive or `successes` is outside [0, n].
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    share, z2 = successes / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # Rounding must not push a bound past the proportion itself, which the interval contains by definition.
    return Estimate(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), n)


def paired_difference(a: ArrayLike, b: ArrayLike) -> Difference:
    """The mean of `a - b` over examples, with its interval; `a` and `b` are (n,), in the same order of examples.

    Each value is 0 or 1 (wrong, right) or in [0, 1] (a mean over several classifiers). Two binary arrays get the adjusted
    Wald interval of Bonett and Price (2012, J. Educ. Behav. Stat. 37(4)), which keeps its coverage when few pairs disagree;
    fractions get the Student t interval of the differences. Bounds are clipped to [-1, 1].
    Raises ValueError if the lengths differ or are 0, or a value is outside [0, 1].
    """
    left, right = _column(a), _column(b)
    if left.shape != right.shape:
        raise ValueError(f"{len(left)} and {len(right)} values are not pairs")
    differences = left - right
    binary = bool(np.isin(left, (0, 1)).all() and np.isin(right, (0, 1)).all())
    centre, half = (_bonett_price if binary else _student)(differences)
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Difference(float(differences.mean()), low, high, len(differences))


def independent_difference(a: Estimate, b: Estimate) -> Difference:
    """The proportion `a` minus the proportion `b` of two independent samples, with its interval.

    Newcombe (1998, Stat. Med. 17, 873-890), method 10: the square-and-add of the two score intervals. `a` and `b` come from
    `wilson`; one that is known exactly (low = value = high) adds no width. The n of the result is the sum of both.
    """
    gap = a.value - b.value
    low = gap - sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    high = gap + sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Difference(gap, low, high, a.n + b.n)


def mean_difference(differences: ArrayLike, *, step: float = 0.0) -> Difference:
    """The mean of paired differences (n,) of any quantity, with its Student t interval (n - 1 degrees of freedom).

    Quantities that are known only in multiples of `step` have at least the standard deviation of rounding, step / sqrt(6) for
    the difference of two, even if a few differences are equal. Raises ValueError for fewer than two differences.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError("at least two differences are needed")
    centre, half = _student(values, least=step / sqrt(6))
    return Difference(centre, centre - half, centre + half, len(values))


def p_value(difference: Difference) -> float:
    """The two-sided p-value of a `mean_difference`, by the t distribution of its interval, which excludes 0 below 0.05."""
    degrees, half = difference.n - 1, (difference.high - difference.low) / 2
    if half == 0:
        return 1.0 if difference.value == 0 else 0.0
    return float(2 * stdtr(degrees, -abs(difference.value) / half * stdtrit(degrees, 0.975)))


def _column(values: ArrayLike) -> NDArray[np.float64]:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not column.size or not ((column >= 0) & (column <= 1)).all():
        raise ValueError("a one-dimensional array of at least one value in [0, 1] is needed")
    return column


def _bonett_price(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Centre and half-width: one pair of each kind of disagreement is added, then Wald with p12 and p21 of n + 2 pairs."""
    n = len(differences) + 2
    p12, p21 = ((differences > 0).sum() + 1) / n, ((differences < 0).sum() + 1) / n
    return float(p12 - p21), _Z * sqrt((p12 + p21 - (p12 - p21) ** 2) / n)


def _student(differences: NDArray[np.float64], least: float = 0.0) -> tuple[float, float]:
    """Centre and half-width, with a standard deviation of at least `least`; one difference alone gives the widest interval."""
    n = len(differences)
    if n == 1:
        return 0.0, 1.0
    return float(differences.mean()), float(stdtrit(n - 1, 0.975) * max(least, differences.std(ddof=1)) / sqrt(n))


def p_of_independent(a: Estimate, b: Estimate) -> float:
    """The two-sided p-value of an `independent_difference`, which excludes 0 below 0.05 at the level of its intervals.

    The same square-and-add at every level: the p-value is the level at which the interval of `a` minus `b` begins to hold 0.
    One that is known exactly stays so.
    """
    if a.value == b.value:
        return 1.0
    upper, lower = (a, b) if a.value > b.value else (b, a)

    def excludes(z: float) -> bool:
        low, high = _bound(upper, -z), _bound(lower, z)
        return upper.value - lower.value > sqrt((upper.value - low) ** 2 + (high - lower.value) ** 2)

    low, high = 0.0, 40.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if excludes(middle) else (low, middle)
    return float(2 * ndtr(-low))


def _bound(known: Estimate, z: float) -> float:
    """A bound of the score interval of a proportion, z standard errors away; itself if it is known exactly."""
    if known.n < 1 or known.low == known.value == known.high:
        return known.value
    n, z2 = known.n, z * z
    centre = (known.value + z2 / (2 * n)) / (1 + z2 / n)
    half = abs(z) * sqrt(known.value * (1 - known.value) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half) if z < 0 else min(1.0, centre + half)


def mcnemar(a: ArrayLike, b: ArrayLike) -> float:
    """The p-value of the exact test of McNemar (1947, Psychometrika 12): whether as many pairs differ each way.

    Args:
        a: Which examples the first is right on, (n,) bool.
        b: The same for the second, in the same order.

    Returns:
        The two-sided p-value of the binomial distribution; 1 if none differs.
    """
    left, right = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    more, less = int((left & ~right).sum()), int((~left & right).sum())
    if more == less:
        return 1.0
    return float(min(1.0, 2 * bdtr(min(more, less), more + less, 0.5)))


def least_established(n: int) -> float:
    """The mean of n paired differences, in their standard deviations, from which on a `mean_difference` excludes 0."""
    return float(stdtrit(n - 1, 0.975) / sqrt(n))
