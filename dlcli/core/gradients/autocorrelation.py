"""How alike gradients at neighbouring points are: white noise, Brownian noise, or something between.

Balduzzi et al. 2017 (arXiv 1702.08591, section 2) compare the gradients of a network at evenly spaced inputs with both:
those of a deep plain network look white, those of one that trains look Brownian.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from dlcli.support.seeds import derive

Floats = NDArray[np.float64]

CONSTANT = 1e-12
"""A series of no more variance than this share of its mean square is constant, its function linear: the rest is rounding."""

_COLUMNS = 4096
"""Of how many dimensions spectra are held at a time: those of all pixels of a photograph would fill the memory."""

VERDICTS = ("linear", "white", "shattered", "partial", "healthy", "undecided")
_FEWEST, _WIDEST = 32, 0.25
"""Below that many points on a line nothing is decided; nor is white noise where the autocorrelation is known less well."""
SHATTERED, PARTIAL = 0.5, 0.9


@dataclass(frozen=True)
class Correlation:
    """What a series of gradients (n, d) at n evenly spaced points looks like.

    `curve` (n // 2 + 1,) is the autocorrelation by lag, from 1 at lag 0; `slope` the exponent of the power spectrum, which
    falls as frequency to the power of -slope: 0 for white noise, 2 for Brownian; `length` how many steps it takes until
    the autocorrelation is below 1/e, with a part of a step by straight lines, None if it does not within the curve.
    """

    curve: Floats
    slope: float
    length: float | None

    @property
    def first(self) -> float:
        """The autocorrelation at lag 1."""
        return float(self.curve[1])


def correlate(series: NDArray[np.floating]) -> Correlation | None:
    """The correlation of gradients (n, d), n at least 8, along a path; None if they are constant along it.

    Products are summed over the d dimensions and over points, and divided by those at lag 0 (the biased estimate of Box and
    Jenkins 1976, section 2.1.5, whose sums have n - lag terms): white noise has a mean of about -1/n at lag 1.
    Raises ValueError for fewer points, or a value that is not finite.
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 2 or len(values) < 8 or not np.isfinite(values).all():
        raise ValueError(f"a series of shape {values.shape}: at least 8 finite points are needed")
    centred = values - values.mean(axis=0)
    power = float((centred**2).sum())
    if power <= CONSTANT * float((values**2).sum()):
        return None
    curve = _curve(centred)
    return Correlation(curve, _slope(centred), _length(curve))


def verdict(first: float | None, points: int, half: float | None = None) -> str:
    """One of `VERDICTS` for an autocorrelation at lag 1.

    `white` needs an interval that holds the mean of white noise, -1 / points, and is narrow enough to tell it from `shattered`.
    The borders of the others, 0.5 and 0.9, are conventions.

    Args:
        first: The autocorrelation, the mean over lines; None where the function is linear.
        points: Points on each line.
        half: The half-width of its interval by the spread over lines; None for one line, where it is that of one dimension.
    """
    if first is None:
        return "linear"
    if points < _FEWEST:
        return "undecided"
    if first >= SHATTERED:
        return "partial" if first < PARTIAL else "healthy"
    known = white_band(points) if half is None else half
    if abs(first + 1 / points) > known:
        return "shattered"
    return "white" if known <= _WIDEST else "undecided"


def white_band(points: int) -> float:
    """Within this of zero 95% of the autocorrelations of white noise of one dimension lie, along one line."""
    return 1.96 / sqrt(points)


def mean_cosine(series: NDArray[np.floating]) -> float | None:
    """The mean cosine between the gradients (n, d) at two different points; None if fewer than two have a length.

    This is not centred, so it is 1 where the function is linear.
    """
    values = np.asarray(series, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=1)
    units = values[lengths > 0] / lengths[lengths > 0, None]
    n = len(units)
    return float((np.linalg.norm(units.sum(axis=0)) ** 2 - n) / (n * (n - 1))) if n > 1 else None


def white_noise(points: int, seed: int, *, dimensions: int = 1) -> Floats:
    """Independent standard normal values, (points, dimensions)."""
    return np.random.default_rng(derive(seed, "white noise")).standard_normal((points, dimensions))


def brownian_noise(points: int, seed: int, *, dimensions: int = 1) -> Floats:
    """The running sums of white noise, (points, dimensions)."""
    return white_noise(points, seed, dimensions=dimensions).cumsum(axis=0)


def _curve(centred: Floats) -> Floats:
    """By the Fourier transform (Wiener and Khinchin), padded so that the ends do not meet."""
    n = len(centred)
    sums = np.fft.irfft(_power(centred, 2 * n), n=2 * n)[: n // 2 + 1]
    found: Floats = sums / sums[0]
    return found


def _slope(centred: Floats) -> float:
    """Least squares on the logarithms of the periodogram, over 2 sin(pi f), whose square is a random walk's exactly."""
    n = len(centred)
    power = _power(centred, n)[1 : (n + 1) // 2]
    frequency = 2 * np.sin(np.pi * np.arange(1, len(power) + 1) / n)
    kept = power > power.max() * np.finfo(float).eps ** 2
    return float(-np.polyfit(np.log(frequency[kept]), np.log(power[kept]), 1)[0]) if kept.sum() > 1 else 0.0


def _power(centred: Floats, length: int) -> Floats:
    """The power spectrum (length // 2 + 1,) of a series (n, d), padded to `length` and summed over its dimensions."""
    found = np.zeros(length // 2 + 1)
    for first in range(0, centred.shape[1], _COLUMNS):
        found += (np.abs(np.fft.rfft(centred[:, first : first + _COLUMNS], n=length, axis=0)) ** 2).sum(axis=1)
    return found


def _length(curve: Floats) -> float | None:
    below = np.flatnonzero(curve < np.exp(-1))
    if not len(below):
        return None
    lag = int(below[0])
    return float(lag - 1 + (curve[lag - 1] - np.exp(-1)) / (curve[lag - 1] - curve[lag]))
