"""95% confidence intervals of differences of proportions, paired or independent, of means and of quantiles.

docs/statistics.md lists which figure has which interval, and how often each covers the truth.
"""

from math import atanh, sqrt, tanh

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtr, stdtr, stdtrit

from dlcli.core.proportion import ends, independent_examples
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.support.plural import count

Z = 1.959963984540054
"""The 97.5% point of the standard normal distribution."""
_HALVINGS = 45
"""Of an interval of standard errors, until a p-value is known to rounding."""
_WHOLE = 5
"""Differences of 1 that are counted with those of fractions: a few small ones do not tell that there are no larger ones."""
_FARTHEST = 37.0
"""Standard errors beyond which a probability is below the smallest number of double precision."""


def paired_difference(a: ArrayLike, b: ArrayLike) -> Difference:
    """The mean of `a - b` over examples, with its interval; `a` and `b` are (n,), in the same order of examples.

    Each value is 0 or 1 (wrong, right) or in [0, 1] (a mean over several classifiers). Of outcomes that are 0 or 1 the interval
    is the score interval of Tango (1998, Stat. Med. 17, 891-908), which keeps its coverage when few pairs disagree. Of others
    it is the adjusted Wald interval of Bonett and Price (2012, J. Educ. Behav. Stat. 37(4)): a pair that differs by 1 and one
    that differs by -1 are added, which differ by as much as others do: by the root mean square of the differences that are not
    0, with five of 1 among them. Bounds are clipped to [-1, 1].
    Raises ValueError if the lengths differ or are 0, or a value is outside [0, 1].
    """
    left, right = _column(a), _column(b)
    if left.shape != right.shape:
        raise ValueError(f"{len(left)} and {len(right)} values are not pairs")
    differences = left - right
    if np.isin(differences, (-1, 0, 1)).all():
        n, more, less = len(differences), int((differences == 1).sum()), int((differences == -1).sum())
        return Difference((more - less) / n, _tango(more, less, n), -_tango(less, more, n), n)
    centre, half = _bonett_price(differences)
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Difference(float(differences.mean()), low, high, len(differences))


def independent_difference(a: Estimate, b: Estimate) -> Difference:
    """The proportion `a` minus the proportion `b` of two independent samples, with its interval.

    Newcombe (1998, Stat. Med. 17, 873-890), method 10: the square-and-add of both intervals. `a` and `b` come from
    `proportion`; one that is known exactly (low = value = high) adds no width. The n of the result is the sum of both.
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


def mean_correlation(values: ArrayLike) -> Difference:
    """The mean of correlations (n,), with Student's interval on the scale of Fisher's z (1921, Metron 1), within [-1, 1].

    On the plain scale the interval of a few high correlations exceeds 1, and correlations near 1 are skewed. The mean is put on
    that scale, not the values, whose mean there is that of another figure. Raises ValueError for fewer than two values.
    """
    plain = mean_difference(values)
    if abs(plain.value) >= 1:
        return plain
    half = (plain.high - plain.low) / 2 / (1 - plain.value**2)
    centre = atanh(plain.value)
    return Difference(plain.value, tanh(centre - half), tanh(centre + half), plain.n)


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


def _tango(more: int, less: int, n: int) -> float:
    """The lower end of the score interval of a difference of which `more` of n pairs are 1 and `less` are -1."""

    def above(difference: float) -> float:
        """By how much the pairs exceed what a true difference makes likely; it has one root below the estimate."""
        linear = (2 * n - more + less) * difference - more - less
        root = sqrt(max(0.0, linear**2 + 8 * n * less * difference * (1 - difference)))
        # The most likely share of pairs that are -1 (Tango 1998, eq. 17).
        share = (root - linear) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        return more - less - n * difference - Z * sqrt(max(0.0, variance))

    low, high = -1.0, (more - less) / n
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) > 0 else (low, middle)
    return low


def _bonett_price(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Centre and half-width: one pair of each kind of disagreement is added, then Wald with the variance of n + 2 pairs."""
    n, squares = len(differences) + 2, float((differences**2).sum())
    # Of binary outcomes exactly 1.
    added = (squares + _WHOLE) / (np.count_nonzero(differences) + _WHOLE)
    mean, square = float(differences.sum()) / n, (squares + 2 * added) / n
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
    of_upper, of_lower = independent_examples(upper), independent_examples(lower)

    def excludes(z: float) -> bool:
        tail = float(ndtr(-z))
        low = upper.value if of_upper is None else ends(upper.value, of_upper, tail)[0]
        high = lower.value if of_lower is None else ends(lower.value, of_lower, tail)[1]
        return upper.value - lower.value > sqrt((upper.value - low) ** 2 + (high - lower.value) ** 2)

    low, high = 0.0, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if excludes(middle) else (low, middle)
    return float(2 * ndtr(-low))


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
