"""Searches within blocks: pairs of rows of one block only, such as those of one customer.

Rows are sorted by block, `block` (n,) ascending. Then no search has to take one block after the other: sparse rows share no
feature with those of other blocks once each block has features of its own, and dense rows of a tile are compared with a range
of rows.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.vectors.weighting import Matrix

Blocks = NDArray[np.int64]


def block_ends(block: Blocks) -> NDArray[np.int64]:
    """For each row the end of its block: one more than its last row, (n,)."""
    return np.searchsorted(block, block, side="right").astype(np.int64)


def comparable_texts(block: Blocks) -> int:
    """How many rows the block of a row has on average."""
    return max(1, round(float(np.mean(np.bincount(block)[block])))) if len(block) else 0


def pairs_within(n: int, block: Blocks | None) -> int:
    """The number of pairs of n rows that are in one block, or of all pairs without blocks."""
    sizes = np.array([n]) if block is None else np.bincount(block)
    return int((sizes * (sizes - 1) // 2).sum())


def all_pairs_within(block: Blocks) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Every pair of rows of one block.

    Returns:
        The lower row of each pair, ascending, and the higher one.
    """
    partners = block_ends(block) - np.arange(len(block)) - 1
    first = np.repeat(np.arange(len(block)), partners)
    place = np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
    return first.astype(np.int32), (first + 1 + place).astype(np.int32)


def separate_blocks(vectors: sp.csr_array, block: Blocks) -> sp.csr_array:
    """The same rows with the features of each block in columns of its own.

    The dot product of two rows of one block is what it was, and that of rows of different blocks is 0.
    """
    columns = sp.csc_array(vectors)  # the rows of a feature in order, so those of one block are side by side
    columns.sort_indices()
    feature = np.repeat(np.arange(columns.shape[1]), np.diff(columns.indptr))
    of_entry = block[columns.indices]
    begins = np.flatnonzero(np.append(True, (feature[1:] != feature[:-1]) | (of_entry[1:] != of_entry[:-1])))
    ends = np.append(begins, columns.nnz) if columns.nnz else np.zeros(2, np.int64)
    return sp.csr_array(sp.csc_array((columns.data, columns.indices, ends), shape=(columns.shape[0], len(ends) - 1)))


def searched(vectors: Matrix, block: Blocks | None) -> Matrix:
    """The rows to search: sparse ones with separate blocks, others as they are."""
    return vectors if block is None or not sp.issparse(vectors) else separate_blocks(vectors, block)
