"""The pairs of vectors that new rows add to those already joined: new with old and new with new, exact, in blocks."""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.search.neighbours import Pairs, cosines, similar_pairs
from dlcli.core.text.vectors.weighting import Matrix

_ROUNDING = 1e-6
_SLACK = 1e-5
_MANY = 0.05
_MANY_SPARSE = 300
"""Among 10,000 to 500,000 rows of questions the join of all costs as much as 225 to 1,100 rows against all."""
_CELLS = 1 << 23
"""Of a block of the product: 32 MB where it is dense."""


def cross_pairs(
    vectors: Matrix, new: NDArray[np.bool_], threshold: float, *, advance: Callable[[int], None] = lambda rows: None
) -> Pairs:
    """The pairs of `similar_pairs(vectors, threshold)` of which a row is `new`, (n,); rows have length 1 or 0.

    Every new row is multiplied with all rows, so nothing is lost; where many rows are new, the join of all is taken, which
    costs less then. `advance` is told how many rows are done.
    """
    if uses_full_join(vectors, new):
        every = similar_pairs(vectors, threshold, advance=advance)
        kept = new[every.first] | new[every.second]
        return Pairs(every.first[kept], every.second[kept], every.score[kept])
    rows = np.flatnonzero(new).astype(np.int32)
    across = sp.csr_array(vectors.T) if sp.issparse(vectors) else vectors.T
    side = max(1, _CELLS // max(1, len(new)))
    first, second = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for start in range(0, len(rows), side):
        block = rows[start : start + side]
        left, right = _at_least(vectors[block] @ across, threshold - _SLACK)
        left = block[left]
        once = np.where(new[right], left < right, True)
        first.append(np.minimum(left, right)[once])
        second.append(np.maximum(left, right)[once])
        advance(len(block))
    return _confirmed(vectors, np.concatenate(first), np.concatenate(second), threshold)


def uses_full_join(vectors: Matrix, new: NDArray[np.bool_]) -> bool:
    """Whether so many of the rows are new that `cross_pairs` joins all, which may lose pairs as `similar_pairs` does."""
    many = _MANY * len(new)
    return bool(new.sum() > (min(many, _MANY_SPARSE) if sp.issparse(vectors) else many))


def _at_least(product: Matrix, bound: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    if not sp.issparse(product):
        left, right = np.nonzero(product >= bound)
        return left.astype(np.int32), right.astype(np.int32)
    kept = np.flatnonzero(product.data >= bound)
    left = np.searchsorted(product.indptr, kept, side="right") - 1
    return left.astype(np.int32), product.indices[kept].astype(np.int32)


def _confirmed(vectors: Matrix, first: NDArray[np.int32], second: NDArray[np.int32], threshold: float) -> Pairs:
    """Those at or above the threshold to 1e-6, as `similar_pairs` counts them, in the order of the rows."""
    score = cosines(vectors, first, second)
    kept = np.flatnonzero(score >= threshold - _ROUNDING)
    kept = kept[np.lexsort((second[kept], first[kept]))]
    return Pairs(first[kept], second[kept], np.clip(score[kept], -1, 1))
