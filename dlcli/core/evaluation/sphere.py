"""How features lie on the unit sphere: whether those that belong together are close, and whether all are spread evenly.

Wang and Isola 2020 (arXiv 2005.10242), with the exponents 2 of their experiments; features are scaled to unit length first.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

_LEAST = 1e-12
_ROWS = 256
"""Images that are compared with all others at once."""


def alignment(first: ArrayLike, second: ArrayLike) -> float:
    """The mean squared distance, in [0, 4], of features (n, d) and those (n, d) that belong to them (equation 1)."""
    gap = _unit(first) - _unit(second)
    return float((gap**2).sum(1).mean())


def alignment_of_classes(features: ArrayLike, labels: ArrayLike) -> float | None:
    """The mean squared distance of the pairs of features (n, d) with the same label (n,); None if there is no such pair."""
    unit, y = _unit(features), np.asarray(labels)
    total, pairs = 0.0, 0
    for label in np.unique(y):
        own = unit[y == label]
        n, mean = len(own), own.mean(0)
        # Of unit vectors, the squared distances over all ordered pairs sum to 2 n^2 (1 - |mean|^2).
        total += 2 * n * n * max(0.0, 1 - float(mean @ mean))
        pairs += n * (n - 1)
    return total / pairs if pairs else None


def uniformity(features: ArrayLike) -> float | None:
    """The logarithm of the mean of exp(-2 squared distance), in [-8, 0], over pairs of features (n, d) (equation 2).

    None of a single one.
    """
    unit = _unit(features)
    n = len(unit)
    if n < 2:
        return None
    found = []
    for start in range(0, n - 1, _ROWS):
        rows = unit[start : start + _ROWS]
        squares = 2 - 2 * rows @ unit[start:].T
        later = np.triu_indices(len(rows), 1, n - start)
        found.append(logsumexp(-2 * squares[later].clip(0, 4)))
    return float(logsumexp(found) - np.log(n * (n - 1) / 2))


def _unit(features: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(features, dtype=np.float64)
    unit: NDArray[np.float64] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST)
    return unit
