"""Calibration of a network's confidence: reliability bins and the expected calibration error.

Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv 1706.04599, section 2: bins of equal width, closed on
the right. `confidence` (n,) is the probability of the predicted class, in [0, 1]; `correct` (n,) whether that is right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.grouped import share_of
from dlcli.specs.estimates import Estimate
from dlcli.support.seeds import derive

Floats = NDArray[np.float64]
GapsOf = Callable[[float], Floats]

BINS = 15
_SIMULATED = 1000
_TAIL = 0.025
"""Of the simulated errors on each side."""
_FEW = 20
"""With fewer mistakes, or correct predictions, or groups with one, gaps are not normal."""
_HALVINGS = 20
_TINY = 1e-300


@dataclass(frozen=True)
class Reliability:
    """For each bin, (bins,): how many examples it has, their mean confidence and their accuracy (nan where there are none)."""

    n: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """The mean of |accuracy - confidence|, each bin with the weight of its examples; chance adds to it."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((self.n * gaps).sum() / self.n.sum())


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int = BINS) -> Reliability:
    """Sort the examples into `bins` of equal width over [0, 1]; bin k is (k/bins, (k+1)/bins], and the first holds 0 too."""
    where = _places(confidence, bins)
    n = np.bincount(where, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(where, confidence, bins) / n
        share = np.bincount(where, correct, bins) / n
    return Reliability(n.astype(np.int64), mean, share)


def expected_error(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    *,
    group: NDArray[np.integer] | None = None,
    seed: int,
    bins: int = BINS,
) -> Estimate:
    """The expected calibration error, corrected for what chance adds to it, with its interval.

    Chance moves the accuracy of a bin away from its confidence, so that even a calibrated network shows an error. As Kumar et
    al. (2019, Verified Uncertainty Calibration, NeurIPS) do, the gaps of bins are taken to vary normally, here with the number
    of examples in them too. For the value all gaps are scaled by a common factor such that bins with these gaps show, on
    average, the error that is found.

    The interval has the errors that no test rejects. Each is tested with the most likely gaps that have this error: those that
    are found, moved towards 0 or away from it in proportion to their variances. It is rejected where the error that is found is
    not among the middle 95% of those that samples of bins with these gaps show. A sample that shows less than calibrated bins
    usually do has the upper end of one that shows their median (power-constrained: Cowan et al. 2011, arXiv 1105.3166). The
    error is at least the difference of mean confidence and accuracy, so with few mistakes, which are not normal, the upper end
    is at least that of this difference.

    Args:
        confidence: Probabilities of the predicted classes, (n,), in [0, 1].
        correct: Whether the predictions are correct, (n,).
        group: The group of each example, (n,) from 0 on, if examples come in groups.
        seed: Of the simulated variation.
        bins: Number of bins of equal width.

    Returns:
        The error and its interval, within [0, 1].
    """
    observed = _Observed.of(confidence, correct, group, bins)
    draws = np.random.default_rng(derive(seed, "calibration")).normal(size=(_SIMULATED, bins))
    gaps, found = observed.gaps, float(np.abs(observed.gaps).sum())

    def shown(gaps: Floats) -> Floats:
        """The errors that samples of bins with these gaps show."""
        errors: Floats = np.abs(gaps + draws @ _root(observed.covariance(gaps))).sum(1)
        return errors

    def error(gaps_of: GapsOf, statistic: Callable[[Floats], Any], wanted: float) -> float:
        """The error of gaps with which a statistic of the errors shown is `wanted`; 0 if it is always larger."""
        return min(1.0, _increasing(lambda size: float(statistic(shown(gaps_of(size)))), wanted)) if found else 0.0

    none = np.zeros(bins)
    variance = np.maximum(0.0, np.maximum(*(np.diag(observed.covariance(one)) for one in (gaps, none))))
    usual = max(found, float(np.median(shown(none))))
    value = error(_scaled(gaps), np.mean, found)
    low = error(_scaled(_clear(gaps, variance, observed.units)), partial(np.quantile, q=1 - _TAIL), found)
    high = error(_most_likely(gaps, variance), partial(np.quantile, q=_TAIL), usual)
    if not found or _few(correct, group):  # bins without any gap show no direction in which they may err
        high = max(high, _least_high(confidence, correct, group))
    if group is not None:
        # The gaps of one large group may cancel those of the others, which another sample would show.
        high = max(high, min(1.0, float(np.quantile(shown(gaps), 1 - _TAIL))))
    return Estimate(value, min(value, low), max(value, high), len(correct))


def _scaled(gaps: Floats) -> GapsOf:
    """The gaps (bins,), of which at least one is not 0, times what gives them an error."""
    found = float(np.abs(gaps).sum())
    return lambda size: size / found * gaps


def _clear(gaps: Floats, variance: Floats, units: int) -> Floats:
    """The gaps (bins,) that are clearer than chance makes them, and the clearest; 0 in place of all others."""
    clear = np.abs(gaps) / np.sqrt(np.maximum(variance, _TINY))
    kept: Floats = np.where(clear >= min(sqrt(log(max(units, 2))), float(clear.max())), gaps, 0.0)
    return kept


def _most_likely(gaps: Floats, variance: Floats) -> GapsOf:
    """The most likely gaps that have an error, (bins,), as a function of that error, at least 0.

    With independent bins they minimise the sum of (gap - found)^2 / variance, so each is moved in proportion to its variance,
    and not beyond 0.

    Args:
        gaps: Those that are found, (bins,).
        variance: Their variances, (bins,), at least 0.
    """
    size, sign, varies = np.abs(gaps), np.sign(gaps), (gaps != 0) & (variance > 0)
    found, spread = float(size.sum()), float(variance[varies].sum())
    knots = np.append(-np.sort(-size[varies] / variance[varies]), 0.0)
    errors = np.maximum(0.0, size - knots[:, None] * variance).sum(1)

    def of(error: float) -> Floats:
        times = np.interp(error, errors, knots) if error <= found or not spread else (found - error) / spread
        moved: Floats = sign * np.maximum(0.0, size - times * variance)
        return moved

    return of


def _few(correct: NDArray[np.bool_], group: NDArray[np.integer] | None) -> bool:
    """Whether there are few mistakes, or few correct predictions, or few groups with one."""
    units = np.arange(len(correct)) if group is None else group
    return min(len(np.unique(units[correct == right])) for right in (False, True)) < _FEW


def _least_high(confidence: Floats, correct: NDArray[np.bool_], group: NDArray[np.integer] | None) -> float:
    """The upper end of |mean confidence - accuracy|, by the interval of the accuracy."""
    accuracy, mean = share_of(correct, group), float(confidence.mean())
    return max(mean - accuracy.low, accuracy.high - mean)


def _increasing(function: Callable[[float], float], wanted: float) -> float:
    """Where an increasing function from 0 on reaches `wanted`, by bisection; 0 if it is larger everywhere."""
    if function(0.0) >= wanted:
        return 0.0
    low, high = 0.0, 1.0
    while function(high) < wanted:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    return low


@dataclass(frozen=True)
class _Observed:
    """What is seen of the bins.

    Attributes:
        gaps: Their mean confidence minus accuracy, times their share of the examples, (bins,).
        n: How many examples they have, (bins,).
        confidence: Their mean confidence, 0 of one without examples, (bins,).
        by_group: The covariance of the gaps as the groups vary, (bins, bins), if there are groups.
        units: The number of groups, or of examples.
    """

    gaps: Floats
    n: NDArray[np.int64]
    confidence: Floats
    by_group: Floats | None
    units: int

    @classmethod
    def of(cls, confidence: Floats, correct: NDArray[np.bool_], group: NDArray[np.integer] | None, bins: int) -> "_Observed":
        """Sort the examples into `bins`."""
        where, total = _places(confidence, bins), len(correct)
        n, gaps = np.bincount(where, minlength=bins), np.bincount(where, confidence - correct, bins) / total
        gaps[np.abs(gaps) < _TINY] = 0.0  # one over such a gap is infinite
        by_group, groups = None, total
        if group is not None:
            groups = int(group.max()) + 1
            sums = np.bincount(group * bins + where, confidence - correct, groups * bins).reshape(groups, bins)
            residual = sums - np.outer(np.bincount(group), gaps)
            by_group = residual.T @ residual / total**2 * groups / max(1, groups - 1)
        return cls(gaps, n, np.bincount(where, confidence, bins) / np.maximum(n, 1), by_group, groups)

    def covariance(self, gaps: Floats) -> Floats:
        """The covariance (bins, bins) of the gaps in samples of bins with these gaps (bins,)."""
        total, n = self.n.sum(), np.maximum(self.n, 1)
        # One more example that is right as often as the bin is confident: a bin without a mistake is not known exactly.
        share = np.clip(self.confidence - gaps * total / (n + 1), 0.0, 1.0)
        within = share * (1 - share) * self.n / total + gaps**2 * total / n
        independent: Floats = (np.diag(within) - np.outer(gaps, gaps)) / total
        if self.by_group is None:
            return independent
        found: Floats = self.by_group + np.diag(np.maximum(np.diag(independent - self.by_group), 0.0))
        return found


def _root(covariance: Floats) -> Floats:
    """The symmetric square root (bins, bins)."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors @ np.diag(np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def _places(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    inner = np.arange(1, bins) / bins
    return np.searchsorted(inner, confidence, side="left").astype(np.int64)
