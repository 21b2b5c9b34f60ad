"""Counting and weighting that the kinds of vectors share."""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.ragged import sparse_rows

Matrix = sp.csr_array | NDArray[np.float32]
"""Rows are texts: sparse (n, features) or dense (n, dimensions), float32."""

_BLOCK = 1 << 13
"""Rows that are weighed at once, so that what they take stays close at hand."""
_ENTRIES = 1 << 18
"""Entries that are counted or renumbered at once, for the same reason."""


class _Numbers(dict[str, int]):
    """Numbers things in the order in which they come up."""

    def __missing__(self, thing: str) -> int:
        self[thing] = number = len(self)
        return number


def count_features(lists: Iterable[list[str]]) -> tuple[sp.csr_array, list[str]]:
    """Which things are in which list: a (lists, distinct things) matrix of counts, and the things in column order."""
    numbers = _Numbers()
    columns, ends = array("i"), array("q", [0])
    for things in lists:
        columns.extend(map(numbers.__getitem__, things))
        ends.append(len(columns))
    counts = sparse_rows(np.ones(len(columns), np.float32), np.array(columns), np.array(ends), len(numbers))
    counts.sum_duplicates()
    return counts, list(numbers)


def count_pieces(keys: list[str]) -> tuple[sp.csr_array, list[str]]:
    """`count_features` of the pieces of each key: what stands between its spaces."""
    return count_features(map(str.split, keys))


def tf_idf(counts: sp.csr_array, part: NDArray[np.integer] | None = None, shares: Sequence[float] = (1.0,)) -> sp.csr_array:
    """Weigh what occurs in each row by its rarity, and scale each row to length 1, or 0 if it is empty.

    With more than one of `shares`, which sum to 1, feature k belongs to `part[k]`, and the square of the length of each part of
    a row is its share, so that a product of two rows is the mean of the parts' cosines, weighed by share.
    How often something occurs within a row does not count, which on short texts tells duplicates better than counts do.
    The weights stand where the counts stood: a table of a gigabyte is not to be there twice.
    """
    weights = inverse_document_frequency(counts)
    part = np.zeros(counts.shape[1], np.int64) if part is None else part
    for start in range(0, counts.shape[0], _BLOCK):
        ends = counts.indptr[start : start + _BLOCK + 1]
        block, per_row = slice(ends[0], ends[-1]), np.diff(ends)
        weighed = weights[counts.indices[block]]
        place = np.repeat(np.arange(len(per_row)) * len(shares), per_row) + part[counts.indices[block]]
        squares = np.bincount(place, weights=weighed**2, minlength=len(per_row) * len(shares))
        counts.data[block] = weighed * np.sqrt(np.tile(shares, len(per_row)) / np.maximum(squares, 1e-30))[place]
    return counts


def inverse_document_frequency(counts: sp.csr_array) -> NDArray[np.float64]:
    """The weight of each feature: `ln((1 + n) / (1 + df)) + 1` if it is in df of n rows (Spärck Jones 1972).

    Smoothed as in scikit-learn.
    """
    rows, features = counts.shape
    frequency = np.zeros(features, np.int64)
    for start in range(0, counts.nnz, _ENTRIES):  # at once, all numbers would be copied to 64 bits
        frequency += np.bincount(counts.indices[start : start + _ENTRIES], minlength=features)
    return np.asarray(np.log((1 + rows) / (1 + frequency)) + 1)


def sort_rare_first(counts: sp.csr_array) -> NDArray[np.int64]:
    """Number the features anew, in place, from rare to common, and put each row in that order; gives the old numbers.

    Whoever joins rows begins with what is rare; and what is common, side by side, is found faster.
    """
    order = np.argsort(-inverse_document_frequency(counts), kind="stable")
    rank = np.empty(len(order), counts.indices.dtype)
    rank[order] = np.arange(len(order))
    for start in range(0, counts.nnz, _ENTRIES):
        block = slice(start, start + _ENTRIES)
        counts.indices[block] = rank[counts.indices[block]]
    counts.has_sorted_indices = False
    counts.sort_indices()
    return order
