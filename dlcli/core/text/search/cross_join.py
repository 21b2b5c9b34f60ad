"""The pairs that new rows add to those already found: new with old and new with new, exact, in blocks.

A few new rows are multiplied with all rows, which costs new x all and cannot miss a pair. The cost of the full join grows more
slowly than that product once many rows are new, since it skips most of the matrix; from `uses_full_join` on it is used, and
the pairs between old rows are dropped.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.search.blocks import Blocks, searched
from dlcli.core.text.search.neighbours import SLACK, Pairs, confirm_pairs, in_one_block, in_row_order, similar_pairs
from dlcli.core.text.vectors.weighting import Matrix

if TYPE_CHECKING:
    import torch

_MANY = 0.05
"""Share of new rows above which dense rows are joined in full."""
_MANY_SPARSE = 300
"""Number of new sparse rows above which all are joined: among 10,000 to 500,000 questions, the full join costs as much as
multiplying 225 to 1,100 rows with all."""
_CELLS = 1 << 23
"""Entries per block of the product: 32 MB where it is dense."""


def cross_pairs(
    vectors: Matrix,
    new: NDArray[np.bool_],
    threshold: float,
    *,
    block: Blocks | None = None,
    device: "torch.device | None" = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Pairs:
    """Find the pairs of `similar_pairs(vectors, threshold)` of which at least one row is new.

    Args:
        vectors: Rows with L2 norm 1 or 0, (n, d).
        new: Which rows are new, (n,).
        threshold: Smallest cosine, in (0, 1].
        block: The block of each row, ascending, (n,): only pairs within a block are returned. None returns all.
        device: Where to multiply dense rows with torch, as for `similar_pairs`.
        advance: Called with the number of new rows done since the last call.

    Returns:
        The pairs.
    """
    if uses_full_join(vectors, new):
        every = similar_pairs(vectors, threshold, block=block, device=device, advance=advance)
        kept = new[every.first] | new[every.second]
        return Pairs(every.first[kept], every.second[kept], every.score[kept])
    first, second = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    numbers = np.flatnonzero(new).astype(np.int32)
    for left, right, rows in _candidates(searched(vectors, block), numbers, threshold - SLACK, device):
        left, right = in_one_block(block, left, right)
        # A pair of two new rows occurs twice in the product, once from each side; of new and old only once.
        once = np.where(new[right], left < right, True)
        first.append(np.minimum(left, right)[once])
        second.append(np.maximum(left, right)[once])
        advance(rows)
    return in_row_order([confirm_pairs(vectors, np.concatenate(first), np.concatenate(second), threshold)])


def uses_full_join(vectors: Matrix, new: NDArray[np.bool_]) -> bool:
    """Whether enough rows are new for `cross_pairs` to join all, which may miss pairs as `similar_pairs` does."""
    many = _MANY * len(new)
    return bool(new.sum() > (min(many, _MANY_SPARSE) if sp.issparse(vectors) else many))


def _candidates(
    vectors: Matrix, rows: NDArray[np.int32], bound: float, device: "torch.device | None"
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], int]]:
    """One of `rows`, another row, for each product of at least `bound`, and how many of `rows` are finished with a block."""
    if device is not None and not sp.issparse(vectors):
        from dlcli.core.text.search.device_join import WORK, device_candidates  # here, because it imports torch

        yield from device_candidates(vectors, bound, WORK, device=device, rows=rows)
        return
    across = sp.csr_array(vectors.T) if sp.issparse(vectors) else vectors.T
    side = max(1, _CELLS // max(1, vectors.shape[0]))
    for start in range(0, len(rows), side):
        block = rows[start : start + side]
        left, right = _at_least(vectors[block] @ across, bound)
        yield block[left], right, len(block)


def _at_least(product: Matrix, bound: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    if not sp.issparse(product):
        left, right = np.nonzero(product >= bound)
        return left.astype(np.int32), right.astype(np.int32)
    kept = np.flatnonzero(product.data >= bound)
    left = np.searchsorted(product.indptr, kept, side="right") - 1
    return left.astype(np.int32), product.indices[kept].astype(np.int32)
