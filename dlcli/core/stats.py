"""95% confidence intervals for accuracies and for differences of accuracies, paired or independent.

docs/statistics.md lists which figure has which interval, and how often each covers the truth.
"""

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, betaincinv, ndtr, stdtr, stdtrit

from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.support.plural import count

Z = 1.959963984540054
"""The 97.5% point of the standard normal distribution."""
_HALVINGS = 45
"""Of an interval of standard errors, until a p-value is known to rounding."""


_ROUNDING = 1e-9


def wilson(successes: float, n: int) -> Estimate:
    """The proportion `successes / n` with its score interval (Wilson 1927, JASA 22; Brown et al. 2001, eq. 4).

    `successes` is in [0, n] and may be fractional: a sum over n examples of figures in [0, 1]. That is conservative, since the
    variance of such a figure is at most that of a 0/1 outcome with the same mean.
    Raises ValueError if n is not positive or `successes` is outside [0, n].
    """
    return effective_share(successes, n, n)


def effective_share(successes: float, n: int, effective: float) -> Estimate:
    """The proportion `successes / n` of n examples that tell as much as `effective` independent ones, with Wilson's interval.

    Args:
        successes: Sum over the examples of outcomes in [0, 1].
        n: Number of examples, which the estimate has.
        effective: Number of independent examples, at least 0.

    Returns:
        The proportion and its interval, [0, 1] if there is not a single independent example.

    Raises:
        ValueError: If n is not positive, `effective` is negative or `successes` is outside [0, n].
    """
    if n < 1 or not 0 <= successes <= n or effective < 0:
        raise ValueError(f"{successes} successes of {n}, {effective} effective")
    share, z2 = successes / n, Z * Z
    if effective == 0:
        return Estimate(share, 0.0, 1.0, n)
    centre = (share + z2 / (2 * effective)) / (1 + z2 / effective)
    half = Z * sqrt(share * (1 - share) / effective + z2 / (4 * effective * effective)) / (1 + z2 / effective)
    # Rounding must not push a bound past the proportion itself, which the interval contains by definition.
    return Estimate(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), n)


def selected_share(found: Estimate, among: int, effective: float | None = None) -> Estimate:
    """The interval of a share that was selected among several by its value, such as the lowest.

    It is that of Clopper and Pearson (1934, Biometrika 26) at 0.05 / `among` (Bonferroni), which holds for all of them at once,
    so for the one that was selected, whichever that is. Wilson's would not: far in the tails it covers less than it says.

    Args:
        found: The share with its n, as `wilson` gives it.
        among: Number of shares among which it was selected, at least 1.
        effective: Number of independent examples that tell as much (see `effective_share`); None is n.

    Returns:
        The share with the wider interval.
    """
    n, tail = float(found.n) if effective is None else effective, 0.025 / among
    hits = found.value * n
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > _ROUNDING else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if n - hits > _ROUNDING else 1.0
    return Estimate(found.value, min(low, found.low), max(high, found.high), found.n)


def paired_difference(a: ArrayLike, b: ArrayLike) -> Difference:
    """The mean of `a - b` over examples, with its interval; `a` and `b` are (n,), in the same order of examples.

    Each value is 0 or 1 (wrong, right) or in [0, 1] (a mean over several classifiers). The interval is the adjusted Wald
    interval of Bonett and Price (2012, J. Educ. Behav. Stat. 37(4)), which keeps its coverage when few pairs disagree: a pair
    that differs by 1 and one that differs by -1 are added. Fractions are treated alike. Bounds are clipped to [-1, 1].
    Raises ValueError if the lengths differ or are 0, or a value is outside [0, 1].
    """
    left, right = _column(a), _column(b)
    if left.shape != right.shape:
        raise ValueError(f"{len(left)} and {len(right)} values are not pairs")
    differences = left - right
    centre, half = _bonett_price(differences)
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


def quantile(values: ArrayLike, share: float) -> Estimate | PointEstimate:
    """The quantile of `values` (n,) at `share`, in (0, 1), with the interval between two of them.

    The number of values below the quantile is binomial, which gives the ranks of the two whatever the distribution is (David
    and Nagaraja 2003, Order Statistics, section 7.1). There is none if too few values are beyond one of them.
    Raises ValueError without values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if not n:
        raise ValueError("a quantile of no values")
    below = bdtr(np.arange(n + 1), n, share)
    low, high = np.searchsorted(below, (0.025, 0.975))
    value = float(np.quantile(ordered, share))
    if low < 1 or high >= n:
        return PointEstimate(value=value, n=n, why=count(n, "value"))
    return Estimate(value, float(ordered[low - 1]), float(ordered[high]), n)


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
    """Centre and half-width: one pair of each kind of disagreement is added, then Wald with the variance of n + 2 pairs."""
    n = len(differences) + 2
    mean, square = float(differences.sum()) / n, (float((differences**2).sum()) + 2) / n
    return mean, Z * sqrt((square - mean**2) / n)


def _student(differences: NDArray[np.float64], least: float) -> tuple[float, float]:
    """Centre and half-width of at least two differences, with a standard deviation of at least `least`."""
    n = len(differences)
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
    n = independent_examples(known)
    if n is None:
        return known.value
    if n == 0:
        return 0.0 if z < 0 else 1.0
    z2 = z * z
    centre = (known.value + z2 / (2 * n)) / (1 + z2 / n)
    half = abs(z) * sqrt(known.value * (1 - known.value) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half) if z < 0 else min(1.0, centre + half)


def independent_examples(known: Estimate) -> float | None:
    """How many independent examples tell as much as a proportion is known by: the n of the score interval that it has.

    That is n of a `wilson`, and `effective` of an `effective_share`. None if the proportion is known exactly.
    """
    half2, spread, z2 = ((known.high - known.low) / 2) ** 2, known.value * (1 - known.value), Z * Z
    if half2 == 0:
        return None
    # With u = 1 / n the equation of the half-width is quadratic, with one positive root.
    a, b = z2 * z2 * (half2 - 0.25), z2 * (2 * half2 - spread)
    return 0.0 if a >= 0 else 2 * a / (-b - sqrt(b * b - 4 * a * half2))


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
