"""Sparse feature counts and TF-IDF weights, shared by the kinds of vectors."""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.ragged import sparse_rows

Matrix = sp.csr_array | NDArray[np.float32]
"""Rows are texts: sparse (n, features) or dense (n, dimensions), float32."""

_BLOCK = 1 << 13
"""Rows weighted at a time; their arrays stay in the CPU cache."""
_ENTRIES = 1 << 18
"""Entries counted or renumbered at a time, for the same reason."""


class FeatureCounts(NamedTuple):
    """How often each feature occurs in each list.

    `counts` is (lists, features), float32; `features` names its columns, in order of first occurrence.
    """

    counts: sp.csr_array
    features: list[str]


class _Vocabulary(dict[str, int]):
    """Numbers features in order of first occurrence."""

    def __missing__(self, feature: str) -> int:
        self[feature] = number = len(self)
        return number


def count_features(lists: Iterable[list[str]]) -> FeatureCounts:
    """Count the features in each list."""
    numbers = _Vocabulary()
    columns, ends = array("i"), array("q", [0])
    for features in lists:
        columns.extend(map(numbers.__getitem__, features))
        ends.append(len(columns))
    counts = sparse_rows(np.ones(len(columns), np.float32), np.array(columns), np.array(ends), len(numbers))
    counts.sum_duplicates()
    return FeatureCounts(counts, list(numbers))


def count_pieces(keys: list[str]) -> FeatureCounts:
    """Count the pieces of each key, the substrings between its spaces."""
    return count_features(map(str.split, keys))


def tf_idf(counts: sp.csr_array, part: NDArray[np.integer] | None = None, shares: Sequence[float] = (1.0,)) -> sp.csr_array:
    """Replace counts by IDF weights and scale each row to length 1, or 0 if it is empty.

    A feature counts once per row however often it occurs there: on short texts this separates duplicates better than term
    frequencies do.

    Args:
        counts: (rows, features). Overwritten, since a table of a gigabyte must not be held twice.
        part: (features,) the part each feature belongs to, such as words or trigrams; one part if None.
        shares: The weight of each part; they sum to 1. The squared norm of a part of a row is its share, so the dot product
            of two rows is the mean of the cosines of their parts, weighted by share.

    Returns:
        `counts`, with the weights in place of the counts.
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
    """IDF of each feature, (features,): `ln((1 + n) / (1 + df)) + 1` if it is in df of n rows (Spärck Jones 1972).

    Smoothed as in scikit-learn.
    """
    rows, features = counts.shape
    frequency = np.zeros(features, np.int64)
    for start in range(0, counts.nnz, _ENTRIES):  # in blocks, since bincount copies its input to 64 bits
        frequency += np.bincount(counts.indices[start : start + _ENTRIES], minlength=features)
    return np.asarray(np.log((1 + rows) / (1 + frequency)) + 1)


def sort_rare_first(counts: sp.csr_array) -> NDArray[np.int64]:
    """Renumber the features from rare to common, in place, and sort each row; returns the old number of each feature.

    The join of sparse rows starts at the rare features, and common features in adjacent columns are faster to multiply.
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
