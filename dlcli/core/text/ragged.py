"""Lists of numbers of different lengths in two arrays: the words of each text, the trigrams of each word."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def sparse_rows(
    entries: NDArray[np.float32], columns: NDArray[np.integer], ends: NDArray[np.integer], width: int
) -> sp.csr_array:
    """The matrix (rows, width) of which row k has these entries in these columns from `ends[k]` to `ends[k + 1]`; copies both.

    Its numbers have 32 bits where that is enough, and then those of all that is made of it: half as much to move about.
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
        """How many numbers each list has, (lists,)."""
        return np.diff(self.ends)

    def expand(self, inner: "Ragged") -> "Ragged":
        """Each number replaced by the list of that number in `inner`: texts of runs, runs of words -> texts of words."""
        lengths = inner.lengths[self.flat]
        ends = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(ends[-1]) + np.repeat(inner.ends[:-1][self.flat] - ends[:-1], lengths)
        return Ragged(inner.flat[places], ends[self.ends])

    def keep(self, kept: NDArray[np.bool_]) -> "Ragged":
        """Only the numbers at the places of `flat` that are `kept`."""
        return Ragged(self.flat[kept], np.concatenate([[0], np.cumsum(kept)])[self.ends])

    def is_first(self) -> NDArray[np.bool_]:
        """Which places of `flat` begin a list."""
        found = np.zeros(len(self.flat), bool)
        found[self.ends[:-1][self.lengths > 0]] = True
        return found

    def end_of(self, rows: NDArray[np.integer], *, last: bool) -> NDArray[np.int64]:
        """The first or the last number of some lists; -1 for an empty list."""
        found = np.full(len(rows), -1, np.int64)
        filled = self.lengths[rows] > 0
        kept = rows[filled]
        found[filled] = self.flat[self.ends[1:][kept] - 1 if last else self.ends[:-1][kept]]
        return found

    def binary_matrix(self, width: int) -> sp.csr_array:
        """Which numbers below `width` are in which list: (lists, width), ones, indices sorted."""
        found = sparse_rows(np.ones(len(self.flat), np.float32), self.flat, self.ends, width)
        found.sum_duplicates()
        found.data[:] = 1
        return found

    def padded(self, rows: NDArray[np.integer], width: int, fill: int) -> NDArray[np.int64]:
        """The first `width` numbers of some lists, (rows, width); shorter lists end in `fill`."""
        inside = np.arange(width) < self.lengths[rows][:, None]
        found = np.full((len(rows), width), fill, np.int64)
        found[inside] = self.flat[(self.ends[:-1][rows][:, None] + np.arange(width))[inside]]
        return found


def integer_encode(lists: Iterable[Sequence[str]]) -> tuple[Ragged, list[str]]:
    """Number things in the order in which they come up: the lists in numbers, and the things by number."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    flat: list[int] = []
    ends = [0]
    for things in lists:
        flat.extend(map(numbers.__getitem__, things))
        ends.append(len(flat))
    return Ragged(np.array(flat, np.int64), np.array(ends, np.int64)), list(numbers)


def compact_ids(width: int, *numbers: NDArray[np.integer]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The numbers (below `width`) that are in any of these arrays, in order, and each array with their places there instead."""
    there = np.zeros(width, bool)
    for each in numbers:
        there[each] = True
    place = np.cumsum(there) - 1
    return np.flatnonzero(there), [place.take(each) for each in numbers]


def bigrams(lists: Ragged, width: int) -> Ragged:
    """The pairs of numbers (below `width`) that stand side by side in a list: (a, b) is the number a * width + b."""
    # A list of n numbers has n - 1 pairs: each of its numbers but the first ends one.
    later = ~lists.is_first()
    ends = np.flatnonzero(later)
    return Ragged(lists.flat[ends - 1] * width + lists.flat[ends], lists.keep(later).ends)
