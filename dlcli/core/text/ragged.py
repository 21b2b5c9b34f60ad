"""Lists of different lengths in two flat arrays: the words of each text, the trigrams of each word.

Two arrays instead of Python lists because every step over them is then one numpy call for all texts, and because they are
already the `indices` and `indptr` of a sparse matrix.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.support.row_store import batches

_ENCODED = 1 << 10
"""Lists that are numbered at a time."""


def sparse_rows(
    entries: NDArray[np.float32], columns: NDArray[np.integer], ends: NDArray[np.integer], width: int
) -> sp.csr_array:
    """Build a sparse matrix from the arrays of the CSR format.

    Indices get 32 bits where that is enough; scipy keeps that width in every product, which halves the memory traffic.

    Args:
        entries: Values, (entries,).
        columns: Column of each value, (entries,); copied.
        ends: Row k has the values from `ends[k]` to `ends[k + 1]`, (rows + 1,); copied.
        width: Number of columns.

    Returns:
        The matrix (rows, width).
    """
    bits = np.int32 if max(width, len(columns)) <= np.iinfo(np.int32).max else np.int64
    return sp.csr_array((entries, columns.astype(bits), ends.astype(bits)), shape=(len(ends) - 1, width))


@dataclass(frozen=True)
class Ragged:
    """List k is `flat[ends[k]:ends[k + 1]]`; `ends` (lists + 1,) begins with 0."""

    flat: NDArray[np.int64]
    ends: NDArray[np.int64]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """The length of each list, (lists,)."""
        return np.diff(self.ends)

    @cached_property
    def repeats(self) -> NDArray[np.bool_]:
        """Whether each list has a number twice or more, (lists,)."""
        width = int(self.flat.max(initial=0)) + 1
        codes = np.sort(np.repeat(np.arange(len(self.lengths)), self.lengths) * width + self.flat)
        found = np.zeros(len(self.lengths), bool)
        found[codes[1:][codes[1:] == codes[:-1]] // width] = True
        return found

    def without_repeats(self) -> "Ragged":
        """Each list with every number where it first occurs only."""
        some = np.flatnonzero(np.repeat(self.repeats, self.lengths))  # few lists have any
        owner = np.repeat(np.arange(len(self.lengths)), self.lengths)[some]
        codes = owner * (int(self.flat.max(initial=0)) + 1) + self.flat[some]
        order = np.argsort(codes, kind="stable")
        kept = np.ones(len(self.flat), bool)
        kept[some[order[1:][np.diff(codes[order]) == 0]]] = False
        return self.keep(kept)

    def expand(self, inner: "Ragged") -> "Ragged":
        """Replace each number by the list that it indexes in `inner`: texts of runs, runs of words -> texts of words."""
        # Entry j of the result that belongs to number i of `flat` is entry (j - start of i in the result) of its inner list:
        # one arange over the whole result, shifted by the difference of both starts.
        lengths = inner.lengths[self.flat]
        ends = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(ends[-1]) + np.repeat(inner.ends[:-1][self.flat] - ends[:-1], lengths)
        return Ragged(inner.flat[places], ends[self.ends])

    def keep(self, kept: NDArray[np.bool_]) -> "Ragged":
        """Drop the numbers of `flat` where `kept`, (len(flat),), is False; empty lists stay."""
        return Ragged(self.flat[kept], np.concatenate([[0], np.cumsum(kept)])[self.ends])

    def is_first(self) -> NDArray[np.bool_]:
        """Mask over `flat` of the numbers that are first in their list."""
        found = np.zeros(len(self.flat), bool)
        found[self.ends[:-1][self.lengths > 0]] = True
        return found

    def end_of(self, rows: NDArray[np.integer], *, last: bool) -> NDArray[np.int64]:
        """The first, or with `last` the last, number of the lists `rows`, (rows,); -1 for an empty list."""
        found = np.full(len(rows), -1, np.int64)
        filled = self.lengths[rows] > 0
        kept = rows[filled]
        found[filled] = self.flat[self.ends[1:][kept] - 1 if last else self.ends[:-1][kept]]
        return found

    def binary_matrix(self, width: int) -> sp.csr_array:
        """The lists as sets: a matrix (lists, width) with 1 where a number is in a list, indices sorted."""
        found = sparse_rows(np.ones(len(self.flat), np.float32), self.flat, self.ends, width)
        found.sum_duplicates()
        found.data[:] = 1
        return found

    def padded(self, rows: NDArray[np.integer], width: int, fill: int) -> NDArray[np.int64]:
        """The first `width` numbers of the lists `rows`, (rows, width); shorter lists are padded with `fill`."""
        inside = np.arange(width) < self.lengths[rows][:, None]
        found = np.full((len(rows), width), fill, np.int64)
        found[inside] = self.flat[(self.ends[:-1][rows][:, None] + np.arange(width))[inside]]
        return found


class EncodedLists(NamedTuple):
    """Lists of strings as `lists` of numbers, and the `vocabulary` that these index."""

    lists: Ragged
    vocabulary: list[str]


class CompactIds(NamedTuple):
    """The distinct ids that are in use, in order, and each array of ids with their positions in `ids` instead."""

    ids: NDArray[np.int64]
    positions: list[NDArray[np.int64]]


def integer_encode(lists: Iterable[Sequence[str]]) -> EncodedLists:
    """Number strings in order of first occurrence, as `pandas.factorize` does for one list."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    flat, lengths = array("q"), array("q", [0])
    for some in batches(lists, _ENCODED):
        flat.extend(map(numbers.__getitem__, chain.from_iterable(some)))
        lengths.extend(map(len, some))
    return EncodedLists(Ragged(np.array(flat, np.int64), np.cumsum(np.array(lengths, np.int64))), list(numbers))


def in_alphabetical_order(lists: Ragged, vocabulary: list[str]) -> EncodedLists:
    """Number the strings of `integer_encode` alphabetically instead, so that their order does not depend on the lists."""
    in_order = sorted(vocabulary)
    ranks = {string: rank for rank, string in enumerate(in_order)}
    rank = np.array([*map(ranks.__getitem__, vocabulary)], np.int64)
    return EncodedLists(Ragged(rank[lists.flat], lists.ends), in_order)


def compact_ids(width: int, *arrays: NDArray[np.integer]) -> CompactIds:
    """Renumber the ids (below `width`) in these arrays without gaps, keeping their order."""
    used = np.zeros(width, bool)
    for ids in arrays:
        used[ids] = True
    position = np.cumsum(used) - 1
    return CompactIds(np.flatnonzero(used), [position.take(ids) for ids in arrays])


def bigrams(lists: Ragged, width: int) -> Ragged:
    """The pairs of adjacent numbers (below `width`) of each list; the pair (a, b) is the number a * width + b."""
    # A list of n numbers has n - 1 pairs: each number but the first is the second of one.
    later = ~lists.is_first()
    ends = np.flatnonzero(later)
    return Ragged(lists.flat[ends - 1] * width + lists.flat[ends], lists.keep(later).ends)
