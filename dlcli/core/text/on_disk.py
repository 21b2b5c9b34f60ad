"""Arrays that are written part by part and, once they are large, lie on disk and are mapped into memory."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike, NDArray

from dlcli.support.scratch import RawFile, scratch_file

_IN_MEMORY = 1 << 24
"""Bytes up to which an array stays in memory."""
_SMALL = 4096
_ROWS = 1 << 8
"""Rows that are read here and there at a time: each maps its neighbourhood of 64 KB."""


class GrowingArray:
    """A vector to which parts are appended."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._parts: list[NDArray[Any]] = []
        self._held = 0
        self._file: RawFile | None = None

    def append(self, part: NDArray[Any]) -> None:
        """Append the values of a vector."""
        self._parts.append(np.ascontiguousarray(part, self._dtype))
        self._held += part.nbytes
        if self._held > _IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        self._file = self._file or scratch_file()
        for part in self._parts:
            self._file.append(part.tobytes())
        self._parts, self._held = [], 0

    def array(self) -> NDArray[Any]:
        """The whole vector; a large one is mapped, so that it cannot be changed."""
        if self._file is None:
            return np.concatenate([np.empty(0, self._dtype), *self._parts])
        self._spill()
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), self._dtype)


class ArrayOfParts:
    """A vector that is cut at `ends` (parts + 1,) into parts, which all grow at once; a large one is on disk."""

    def __init__(self, dtype: DTypeLike, ends: NDArray[np.int64]) -> None:
        self._dtype, self._ends, self._next = np.dtype(dtype), ends, ends[:-1].copy()
        self._file = scratch_file() if ends[-1] * self._dtype.itemsize > _IN_MEMORY else None
        self._held = np.empty(0 if self._file else ends[-1], dtype)

    def append(self, values: NDArray[Any], stops: NDArray[np.integer]) -> None:
        """Append `values[stops[k] : stops[k + 1]]` to part k, for each."""
        for number in np.flatnonzero(np.diff(stops)).tolist():
            some, place = values[stops[number] : stops[number + 1]], int(self._next[number])
            if self._file is None:
                self._held[place : place + len(some)] = some
            else:
                self._file.write(place * self._dtype.itemsize, some.astype(self._dtype).tobytes())
            self._next[number] += len(some)

    def part(self, number: int) -> NDArray[Any]:
        """The values of a part."""
        start, stop = self._ends[number : number + 2].tolist()
        if self._file is None:
            return self._held[start:stop]
        return np.frombuffer(self._file.read(start * self._dtype.itemsize, stop * self._dtype.itemsize), self._dtype)


def mapped_array(path: Path) -> NDArray[Any]:
    """The array that `numpy.save` wrote, mapped into memory unless it is small: what is empty cannot be mapped."""
    return np.asarray(np.load(path, mmap_mode="r" if path.stat().st_size > _SMALL else None, allow_pickle=False))


def release(array: "NDArray[Any] | sp.csr_array") -> None:
    """Give back the memory of the pages of a mapped array that were read; they are read again when they are needed."""
    for part in (array,) if isinstance(array, np.ndarray) else (array.data, array.indices, array.indptr):
        base: Any = part
        while isinstance(base, (np.ndarray, memoryview)):
            base = base.base if isinstance(base, np.ndarray) else base.obj
        if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
            base.madvise(mmap.MADV_DONTNEED)


def rows_of(vectors: sp.csr_array, rows: NDArray[np.integer]) -> sp.csr_array:
    """Rows of a matrix, of which a mapped one is read in few pages at a time; ascending numbers read each once."""
    parts = []
    for start in range(0, max(1, len(rows)), _ROWS):
        parts.append(vectors[rows[start : start + _ROWS]])
        release(vectors)
    return sp.csr_array(sp.vstack(parts, format="csr"))
