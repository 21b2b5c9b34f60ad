"""Calibration of a network's confidence: reliability bins and the expected calibration error.

Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv 1706.04599, section 2: bins of equal width, closed on
the right. `confidence` (n,) is the probability of the predicted class, in [0, 1]; `correct` (n,) whether that is right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.specs.estimates import Estimate

BINS = 15
_RESAMPLES = 1000
_AT_ONCE = 1 << 22
"""How many examples are drawn at a time, so that memory does not grow with the number of resamples."""


@dataclass(frozen=True)
class Reliability:
    """For each bin, (bins,): how many examples it has, their mean confidence and their accuracy (nan where there are none)."""

    n: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """The expected calibration error: the mean of |accuracy - confidence|, each bin with the weight of its examples."""
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


def expected_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, seed: int, bins: int = BINS) -> Estimate:
    """The expected calibration error with the basic bootstrap's interval (Davison & Hinkley 1997, section 5.2).

    The interval is widened to hold the error itself; with a few hundred examples it covers the truth less often than 95%.

    Args:
        confidence: Probabilities of the predicted classes, (n,), in [0, 1].
        correct: Whether the predictions are correct, (n,).
        seed: Of the resamples.
        bins: Number of bins of equal width.

    Returns:
        The error and its interval, within [0, 1].
    """
    # Chance moves bins away from the diagonal and so raises the error, in a resample more than in the sample. The basic
    # bootstrap subtracts that, where the percentile bootstrap would add it again. It fails only next to perfect calibration,
    # so the interval begins at 0 if perfect calibration would give an error as large in more than one sample of 40
    # (consistency resampling: Broecker & Smith 2007, Weather and Forecasting 22).
    n, where, random = len(correct), _places(confidence, bins), np.random.default_rng(seed)
    gaps = confidence - correct
    found = reliability(confidence, correct, bins=bins).ece

    def resample(rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        picked = random.integers(n, size=(rows, n))
        return where[picked], gaps[picked]

    def calibrated(rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return np.broadcast_to(where, (rows, n)), confidence - (random.random((rows, n)) < confidence)

    bottom, top = np.quantile(_errors(resample, n, bins), (0.025, 0.975))
    by_chance = np.quantile(_errors(calibrated, n, bins), 0.975)
    low = 0.0 if found <= by_chance else max(0.0, 2 * found - top)
    return Estimate(found, min(found, low), max(found, min(1.0, 2 * found - bottom)), n)


def _places(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    inner = np.arange(1, bins) / bins
    return np.searchsorted(inner, confidence, side="left").astype(np.int64)


def _errors(draw: Callable[[int], tuple[NDArray[np.int64], NDArray[np.float64]]], n: int, bins: int) -> NDArray[np.float64]:
    """The error in each sample, (resamples,): n times it is the sum over bins of |sum of (confidence - correct)|.

    `draw(rows)` gives the bins and the gaps of that many samples, (rows, n) each.
    """
    errors, block = [], max(1, _AT_ONCE // n)
    for start in range(0, _RESAMPLES, block):
        rows = min(block, _RESAMPLES - start)
        places, gaps = draw(rows)
        cells = (places + bins * np.arange(rows)[:, None]).ravel()
        sums = np.bincount(cells, gaps.ravel(), rows * bins).reshape(rows, bins)
        errors.append(np.abs(sums).sum(1) / n)
    return np.concatenate(errors)
