"""Sparse feature counts and TF-IDF weights, shared by the kinds of vectors."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.on_disk import GrowingArray, release
from dlcli.core.text.pieces import Vocabulary, cut_at_blanks
from dlcli.core.text.products import product
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


def count_features(lists: Iterable[list[str]]) -> FeatureCounts:
    """Count the features in each list."""
    numbers = Vocabulary()
    columns, ends = array("i"), array("q", [0])
    for features in lists:
        columns.extend(map(numbers.__getitem__, features))
        ends.append(len(columns))
    counts = sparse_rows(np.ones(len(columns), np.float32), np.array(columns), np.array(ends), len(numbers))
    counts.sum_duplicates()
    return FeatureCounts(counts, list(numbers))


def count_pieces(keys: Sequence[str]) -> FeatureCounts:
    """Count the pieces of each key, the substrings between its spaces."""
    return count_features(map(str.split, keys))


class PiecesOfKeys:
    """The pieces of each key, the substrings between its spaces.

    Attributes:
        pieces: The distinct pieces, in order of first occurrence.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._columns, self._lengths, self.pieces = cut_at_blanks(keys)

    def __len__(self) -> int:
        return len(self._lengths)

    def products(self, features: sp.csr_array) -> Iterator[sp.csr_array]:
        """The features of the keys, by those of the pieces, (pieces, features), for some keys after the others."""
        start = 0
        for first in range(0, len(self), _BLOCK):
            ends = np.concatenate([[0], np.cumsum(self._lengths[first : first + _BLOCK])])
            columns = self._columns[start : start + ends[-1]]
            counts = sparse_rows(np.ones(len(columns), np.float32), columns, ends, len(self.pieces))
            counts.sum_duplicates()
            yield product(counts, features)
            release(self._columns)
            start += int(ends[-1])


def tf_idf(counts: sp.csr_array) -> sp.csr_array:
    """Replace counts by IDF weights and scale each row to length 1, or 0 if it is empty.

    A feature counts once per row however often it occurs there: on short texts this separates duplicates better than term
    frequencies do.

    Args:
        counts: (rows, features). Overwritten, since a table of a gigabyte must not be held twice.

    Returns:
        `counts`, with the weights in place of the counts.
    """
    weigh_rows(counts, inverse_document_frequency(counts), np.zeros(counts.shape[1], np.int64), (1.0,))
    return counts


def weigh_rows(counts: sp.csr_array, weights: NDArray[np.float64], part: NDArray[np.integer], shares: Sequence[float]) -> None:
    """Replace the entries of each row by weights of its features, and scale it to length 1.

    Args:
        counts: (rows, features), overwritten.
        weights: The weight of each feature, (features,).
        part: (features,) the part each feature belongs to, such as words or trigrams.
        shares: The weight of each part; they sum to 1. The squared norm of a part of a row is its share, so the dot product
            of two rows is the mean of the cosines of their parts, weighted by share.
    """
    for start in range(0, counts.shape[0], _BLOCK):
        ends = counts.indptr[start : start + _BLOCK + 1]
        block, per_row = slice(ends[0], ends[-1]), np.diff(ends)
        weighed = weights[counts.indices[block]]
        place = np.repeat(np.arange(len(per_row)) * len(shares), per_row) + part[counts.indices[block]]
        squares = np.bincount(place, weights=weighed**2, minlength=len(per_row) * len(shares))
        counts.data[block] = weighed * np.sqrt(np.tile(shares, len(per_row)) / np.maximum(squares, 1e-30))[place]


def weighed_products(
    keys: PiecesOfKeys, features: sp.csr_array, part: NDArray[np.integer], shares: Sequence[float]
) -> sp.csr_array:
    """The rows of keys by TF-IDF of their features, which are numbered from rare to common.

    The join of sparse rows starts at the rare features, and common features in adjacent columns are faster to multiply. The
    features are found twice, first to count in how many rows each is, since that costs less than to store them.

    Args:
        keys: The keys.
        features: Which features each piece of a key has, (pieces, features).
        part: As for `weigh_rows`.
        shares: As for `weigh_rows`.

    Returns:
        The rows, (keys, features), of length 1 or 0; on disk if there are many.
    """
    width = features.shape[1]
    frequency = np.zeros(width, np.int64)
    for some in keys.products(features):
        frequency += np.bincount(some.indices, minlength=width)
    weights = smoothed_idf(len(keys), frequency)
    order = np.argsort(-weights, kind="stable")
    rank = np.empty(width, features.indices.dtype)
    rank[order] = np.arange(width)
    ranked = sp.csr_array((features.data, rank[features.indices], features.indptr), shape=features.shape)
    data, indices, lengths = GrowingArray(np.float32), GrowingArray(np.int32), [np.zeros(1, np.int64)]
    for some in keys.products(ranked):
        some.sort_indices()
        weigh_rows(some, weights[order], part[order], shares)
        data.append(some.data)
        indices.append(some.indices)
        lengths.append(np.diff(some.indptr))
    return mapped_rows(data.array(), indices.array(), np.cumsum(np.concatenate(lengths)), width)


def mapped_rows(data: NDArray[np.float32], indices: NDArray[np.int32], ends: NDArray[np.int64], width: int) -> sp.csr_array:
    """Build a sparse matrix from arrays in the CSR format without copying the entries, whose indices are in order.

    Args:
        data: Values, (entries,).
        indices: Their columns, (entries,).
        ends: Row k has the values from `ends[k]` to `ends[k + 1]`, (rows + 1,).
        width: Number of columns.

    Returns:
        The matrix, (rows, width).
    """
    small = len(data) <= np.iinfo(np.int32).max
    found = sp.csr_array((data, indices, ends.astype(np.int32) if small else ends), shape=(len(ends) - 1, width), copy=False)
    found.has_sorted_indices = True
    return found


def inverse_document_frequency(counts: sp.csr_array) -> NDArray[np.float64]:
    """IDF of each feature, (features,), see `smoothed_idf`."""
    rows, features = counts.shape
    frequency = np.zeros(features, np.int64)
    for start in range(0, counts.nnz, _ENTRIES):  # in blocks, since bincount copies its input to 64 bits
        frequency += np.bincount(counts.indices[start : start + _ENTRIES], minlength=features)
        release(counts.indices)
    return smoothed_idf(rows, frequency)


def smoothed_idf(rows: int, frequency: NDArray[np.int64]) -> NDArray[np.float64]:
    """`ln((1 + n) / (1 + df)) + 1` of features that are in df of n rows (Spärck Jones 1972), smoothed as in scikit-learn."""
    return np.asarray(np.log((1 + rows) / (1 + frequency)) + 1)
