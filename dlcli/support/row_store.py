"""Rows of a table: a list, or a scratch file where they would fill the memory."""

import marshal
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from dlcli.support.in_parts import InParts, taken
from dlcli.support.memory import check_memory
from dlcli.support.plural import count
from dlcli.support.scratch import RawFile, scratch_file

Row = Any
"""A list or tuple of cells, a dict of them by column, or a text."""
AT_ONCE = 1 << 10
"""Rows that are read or written at a time."""
_IN_MEMORY = 1 << 24
"""Bytes of rows up to which they stay in memory."""


_ROW_BYTES = 100
"""Bytes of memory that a row of a table takes at least, wherever its cells are: its number, its group and the like."""
_CHECKED = 1 << 18
"""Rows after which it is first checked whether they will fit."""


class SomeRows(InParts[Row]):
    """Rows of which some are read at a time."""

    def at_once(self) -> int:
        """See `InParts`."""
        return AT_ONCE


class StoredRows(SomeRows):
    """Rows in a file, in packs of which pack k begins with row `firsts[k]`, at `places[k]`; both end with the end."""

    def __init__(self, file: RawFile, firsts: list[int], places: list[int]) -> None:
        self._file, self._firsts, self._places = file, firsts, places
        self._read: tuple[int, list[Row]] = (-1, [])

    def __len__(self) -> int:
        return self._firsts[-1]

    def some(self, start: int, stop: int) -> list[Row]:
        """See `InParts`."""
        found: list[Row] = []
        pack = bisect_right(self._firsts, start) - 1
        while start < stop:
            rows, first = self._pack(pack), self._firsts[pack]
            found += rows[start - first : stop - first]
            pack += 1
            start = self._firsts[pack]
        return found

    def _pack(self, number: int) -> list[Row]:
        if self._read[0] != number:
            self._read = number, self._loaded(*self._places[number : number + 2])
        return self._read[1]

    def _loaded(self, start: int, stop: int) -> list[Row]:
        found: list[Row] = marshal.loads(self._file.read(start, stop))  # noqa: S302 - this process has written it
        return found


class MadeRows(SomeRows):
    """Rows that are made of others whenever they are read: `make` takes the number of the first one, and some of them."""

    def __init__(self, make: Callable[[int, Sequence[Row]], list[Row]], rows: Sequence[Row]) -> None:
        self._make, self._rows = make, rows

    def __len__(self) -> int:
        return len(self._rows)

    def some(self, start: int, stop: int) -> list[Row]:
        """See `InParts`."""
        return self._make(start, self._rows[start:stop])


class ChosenRows(SomeRows):
    """The rows at `indices`, in ascending order, of others."""

    def __init__(self, rows: Sequence[Row], indices: Sequence[int]) -> None:
        self._rows, self._indices = rows, indices

    def __len__(self) -> int:
        return len(self._indices)

    def some(self, start: int, stop: int) -> list[Row]:
        """See `InParts`."""
        return taken(self._rows, self._indices[start:stop])


class RowCollector:
    """Collects rows of what JSON has: in a list, or in a file once they are many; `name` is that of the table, for messages."""

    def __init__(self, name: str = "table") -> None:
        self._name, self._checked = name, _CHECKED
        self._held: list[Row] = []
        self._packed = self._size = 0
        self._file: RawFile | None = None
        self._firsts, self._places = [0], [0]

    def __len__(self) -> int:
        return self._firsts[-1] + len(self._held)

    def append(self, row: Row) -> None:
        """Add a row."""
        self._held.append(row)
        if len(self._held) - self._packed == AT_ONCE:
            self._pack()

    def _pack(self) -> None:
        """Write the rows to the file if they are many, and keep them otherwise; raises ResourceError if they are too many."""
        if len(self) >= self._checked:
            check_memory(_ROW_BYTES * len(self), f"{self._name}: a table of {count(len(self), 'row')} or more", hint="split it")
            self._checked += len(self)
        if self._file is None:
            self._size += len(marshal.dumps(self._held[self._packed :], 2))
            self._packed = len(self._held)
            if self._size <= _IN_MEMORY:
                return
            self._file = scratch_file()
        _write(self._file, self._held, self._firsts, self._places)
        self._held, self._packed = [], 0

    def rows(self) -> Sequence[Row]:
        """All of them."""
        if self._file is None:
            return self._held
        if self._held:
            self._pack()
        return StoredRows(self._file, self._firsts, self._places)


def stored_rows(rows: Sequence[Row]) -> StoredRows:
    """The rows in a scratch file, however few they are."""
    file, firsts, places = scratch_file(), [0], [0]
    _write(file, rows, firsts, places)
    return StoredRows(file, firsts, places)


def _write(file: RawFile, rows: Sequence[Row], firsts: list[int], places: list[int]) -> None:
    for some in batches(rows, AT_ONCE):
        file.append(marshal.dumps(some, 2))
        firsts.append(firsts[-1] + len(some))
        places.append(file.size)


def collected_rows(rows: Iterable[Row]) -> Sequence[Row]:
    """The rows, each of which is taken once: a list of them, or a scratch file if they are many."""
    collector = RowCollector()
    for row in rows:
        collector.append(row)
    return collector.rows()


def made_rows(make: Callable[[int, Sequence[Row]], list[Row]], rows: Sequence[Row]) -> Sequence[Row]:
    """Rows that `make` makes of others: at once of a list, and otherwise whenever they are read."""
    return make(0, rows) if isinstance(rows, list) else MadeRows(make, rows)


def batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Lists of `size` of the rows, the last of which may have fewer."""
    rest = iter(rows)
    while some := list(islice(rest, size)):
        yield some
