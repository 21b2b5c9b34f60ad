"""The bootstrap: how often each example, or each group of examples that belong together, is drawn again."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.specs.estimates import Estimate
from dlcli.support.seeds import derive

RESAMPLES = 1000
_AT_ONCE = 1 << 22
"""Draws in memory at a time, so that it does not grow with the number of resamples."""

Floats = NDArray[np.float64]


def resamples(groups: int, *, seed: int) -> Iterator[Floats]:
    """How often each of `groups` is drawn in each of `RESAMPLES` resamples, in blocks (resamples, groups).

    A figure that is a function of sums over the groups is the same function of `block @ sums`.
    """
    random, block = np.random.default_rng(derive(seed, "bootstrap")), max(1, _AT_ONCE // groups)
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        cells = random.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
        yield np.bincount(cells.ravel(), minlength=rows * groups).reshape(rows, groups).astype(np.float64)


def resampled(sums: Floats, *, seed: int) -> Floats:
    """The sums (RESAMPLES, columns) in each resample of the groups, each of which has a row of `sums` (groups, columns)."""
    return np.concatenate([block @ sums for block in resamples(len(sums), seed=seed)])


def bootstrap_t(values: Floats, group: NDArray[np.integer] | None = None, *, seed: int) -> Estimate:
    """The mean with the bootstrap-t interval (Hall 1992, The Bootstrap and Edgeworth Expansion, section 3.2).

    Resamples estimate how the mean in units of its standard error is distributed: of skewed values, which rare large ones
    dominate, it is far from Student's t, and the interval reaches further to the side of the tail. Values that are all equal
    have an interval without width.

    Args:
        values: The values, (n,), at least two.
        group: The group of each value, (n,) from 0 on, if they come in groups: whole groups are drawn then.
        seed: Seed of the resamples.

    Returns:
        The mean and its interval.
    """
    n, mean = len(values), float(values.mean())
    # Centred, so that the sums of squares keep their digits.
    sums: Floats = values - mean if group is None else np.bincount(group, values - mean).astype(np.float64)
    sizes = np.ones(n) if group is None else np.bincount(group).astype(np.float64)
    scale = _standard_error(*(float(part.sum()) for part in _moments(sums, sizes).T), groups=len(sums))
    drawn = resampled(_moments(sums, sizes), seed=seed)
    spread = _standard_error(*drawn.T, groups=len(sums))
    usable = spread > 0
    if not usable.any():
        return Estimate(mean, mean, mean, n)
    low, high = np.quantile(drawn[usable, 0] / drawn[usable, 1] / spread[usable], (0.025, 0.975))
    return Estimate(mean, min(mean, mean - float(scale * high)), max(mean, mean - float(scale * low)), n)


def _moments(sums: Floats, sizes: Floats) -> Floats:
    return np.stack([sums, sizes, sums**2, sums * sizes, sizes**2], axis=1)


def _standard_error(first: Any, size: Any, square: Any, product: Any, size2: Any, *, groups: int) -> Any:
    """That of the ratio `first / size` of sums over groups, by linearisation (Cochran 1977, section 6.5)."""
    ratio = first / size
    residual = np.maximum(square - 2 * ratio * product + ratio**2 * size2, 0.0)
    return np.sqrt(residual * groups / (groups - 1)) / size
