"""Calibration of a network's confidence: reliability bins and the expected calibration error.

Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv 1706.04599, section 2: bins of equal width, closed on
the right. `confidence` (n,) is the probability of the predicted class, in [0, 1]; `correct` (n,) whether that is right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.specs.estimates import Estimate
from dlcli.support.seeds import derive

BINS = 15
_SIMULATED = 1000
_TAIL = 0.01
"""Of the simulated errors on each side. The gaps themselves vary too, which one factor for all does not show: with 0.025 the
interval covered the truth in 88% of some simulations."""
_HALVINGS = 20


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
    al. (2019, Verified Uncertainty Calibration, NeurIPS) do, the accuracies of bins are taken to vary normally. All gaps are
    then scaled by a common factor such that bins with these gaps show, on average, the error that is found; the interval has
    the factors at which the error that is found is among the middle 98% (a test inverted). A sample that shows less than
    calibrated bins usually do has the upper end of one that shows their median (power-constrained: Cowan et al. 2011, arXiv
    1105.3166).

    Args:
        confidence: Probabilities of the predicted classes, (n,), in [0, 1].
        correct: Whether the predictions are correct, (n,).
        group: The group of each example, (n,) from 0 on, if examples come in groups.
        seed: Of the simulated variation.
        bins: Number of bins of equal width.

    Returns:
        The error and its interval, within [0, 1].
    """
    where, n = _places(confidence, bins), len(correct)
    gaps = np.bincount(where, confidence - correct, bins) / n
    random = np.random.default_rng(derive(seed, "calibration"))
    noise = random.normal(size=(_SIMULATED, bins)) @ _spread(confidence, correct, where, group, bins)
    found = float(np.abs(gaps).sum())

    def error(statistic: Callable[[NDArray[np.float64]], Any], shown: float) -> float:
        """The error of scaled gaps with which a statistic of the simulated errors is `shown`; 0 if it is always larger."""
        times = _increasing(lambda times: float(statistic(np.abs(times * gaps + noise).sum(1))), shown) if found else 0.0
        return min(1.0, times * found)

    usual = max(found, float(np.median(np.abs(noise).sum(1))))
    value, low = error(np.mean, found), error(partial(np.quantile, q=1 - _TAIL), found)
    high = error(partial(np.quantile, q=_TAIL), usual)
    if group is not None:
        # The gaps of one large group may cancel those of the others, which another sample would show.
        high = max(high, min(1.0, float(np.quantile(np.abs(gaps + noise).sum(1), 0.975))))
    return Estimate(value, min(value, low), max(value, high), n)


def _increasing(function: Callable[[float], float], wanted: float) -> float:
    """Where an increasing function from 0 on reaches `wanted`, by bisection; 0 if it is larger everywhere."""
    low, high = 0.0, 1.0
    while function(high) < wanted:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    return low


def _spread(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    where: NDArray[np.int64],
    group: NDArray[np.integer] | None,
    bins: int,
) -> NDArray[np.float64]:
    """The square root (bins, bins) of the covariance of the gaps of bins, each with the weight of its examples."""
    n, size = len(correct), np.bincount(where, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        # One more example that is right as often as the bin is confident: a bin without a mistake is not known exactly.
        mean = np.bincount(where, confidence, bins) / size
        share = (np.bincount(where, correct, bins) + mean) / (size + 1)
    least = np.nan_to_num(share * (1 - share) * size) / n**2
    if group is None:
        return np.diag(np.sqrt(least))
    groups = int(group.max()) + 1
    cells = group * bins + where
    counts = np.bincount(cells, minlength=groups * bins).reshape(groups, bins)
    sums = np.bincount(cells, confidence - correct, groups * bins).reshape(groups, bins)
    residual = sums - counts * (sums.sum(0) / np.maximum(size, 1))
    covariance = residual.T @ residual / n**2 * groups / max(1, groups - 1)
    covariance += np.diag(np.maximum(least - np.diag(covariance), 0.0))
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = vectors @ np.diag(np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def _places(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    inner = np.arange(1, bins) / bins
    return np.searchsorted(inner, confidence, side="left").astype(np.int64)
