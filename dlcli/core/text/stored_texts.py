"""Texts in a file: those of a large table, which would not fit into memory, and those that several processes read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.on_disk import GrowingArray, mapped_array, release
from dlcli.support.in_parts import InParts, taken
from dlcli.support.row_store import batches
from dlcli.support.scratch import RawFile, new_file, opened, scratch_file

_ENCODING = ("utf-8", "surrogatepass")
_AT_ONCE = 1 << 13
"""Texts that are read or written at a time."""
_STRETCH = 1 << 16
"""Bytes that are read at a time where some of the texts in them are wanted."""
_IN_MEMORY = 1 << 24
"""Bytes of texts up to which they stay in memory."""
_TEXT_BYTES = 64
"""Bytes of a text beside its letters."""


class SomeTexts(InParts[str]):
    """Texts of which some are made at a time."""

    def at_once(self) -> int:
        """See `InParts`."""
        return _AT_ONCE


class StoredTexts(SomeTexts):
    """Texts in a file, of which text k ends at `ends[k + 1]` (texts + 1,)."""

    def __init__(self, file: RawFile, ends: NDArray[np.int64]) -> None:
        self._file, self._ends = file, ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        release(self._ends)

    def some(self, start: int, stop: int) -> list[str]:
        """See `InParts`."""
        ends = (self._ends[start : stop + 1] - self._ends[start]).tolist()
        found = self._file.read(int(self._ends[start]), int(self._ends[stop]))
        if found.isascii():
            text = found.decode()
            return [text[one:other] for one, other in zip(ends, ends[1:], strict=False)]
        return [found[one:other].decode(*_ENCODING) for one, other in zip(ends, ends[1:], strict=False)]

    def take(self, places: Sequence[int]) -> list[str]:
        """See `InParts`."""
        begins, ends = (self._ends[np.asarray(places, np.int64) + one] for one in (0, 1))
        found: list[str] = []
        start = 0
        while start < len(begins):
            # To read what is between costs less than to read here and there.
            first = int(begins[start])
            stop = max(start + 1, int(np.searchsorted(ends, first + _STRETCH, side="right")))
            read = self._file.read(first, int(ends[stop - 1]))
            places_in = zip(*((part[start:stop] - first).tolist() for part in (begins, ends)), strict=True)
            found += [read[one:other].decode(*_ENCODING) for one, other in places_in]
            start = stop
        release(self._ends)
        return found


class TextFile(StoredTexts):
    """The texts that `store_texts` wrote to files with names, which every process opens for itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(opened(path), mapped_array(_ends(path)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._path,)


class MadeTexts(SomeTexts):
    """Texts that are made of others, some at a time, whenever they are read."""

    def __init__(self, make: Callable[[Sequence[str]], list[str]], texts: Sequence[str]) -> None:
        self._make, self._texts = make, texts

    def __len__(self) -> int:
        return len(self._texts)

    def some(self, start: int, stop: int) -> list[str]:
        """See `InParts`."""
        return self._make(self._texts[start:stop])

    def take(self, places: Sequence[int]) -> list[str]:
        """See `InParts`."""
        return self._make(taken(self._texts, places))


class TextCollector:
    """Collects texts: in a list, or in a file once they are many."""

    def __init__(self, file: RawFile | None = None) -> None:
        self._file, self._ends = file, GrowingArray(np.int64)
        self._held: list[str] = []
        self._size = 0
        self._ends.append(np.zeros(1, np.int64))

    def extend(self, texts: Iterable[str]) -> None:
        """Add texts, not too many at a time."""
        before = len(self._held)
        self._held.extend(texts)
        self._size += sum(map(len, self._held[before:])) + _TEXT_BYTES * (len(self._held) - before)
        if self._size > _IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        self._file = self._file or scratch_file()
        for start in range(0, len(self._held), _AT_ONCE):
            some = [text.encode(*_ENCODING) for text in self._held[start : start + _AT_ONCE]]
            self._ends.append(self._file.size + np.cumsum([*map(len, some)], dtype=np.int64))
            self._file.append(b"".join(some))
        self._held, self._size = [], 0

    def texts(self) -> Sequence[str]:
        """All of them."""
        if self._file is None:
            return self._held
        return StoredTexts(self._file, self.ends())

    def ends(self) -> NDArray[np.int64]:
        """Where each text begins in the file, and the last one ends, once all are there."""
        self._spill()
        return self._ends.array()


def store_texts(path: Path, texts: Iterable[str]) -> TextFile:
    """Write texts to a file, and where each ends to one beside it, and open them."""
    collector = TextCollector(new_file(path))
    for some in batches(texts, _AT_ONCE):
        collector.extend(some)
    np.save(_ends(path), collector.ends())
    return TextFile(path)


def collected(texts: Iterable[str]) -> Sequence[str]:
    """The texts, each of which is taken once: a list of them, or a scratch file if they are many."""
    collector = TextCollector()
    for some in batches(texts, _AT_ONCE):
        collector.extend(some)
    return collector.texts()


def made_texts(make: Callable[[Sequence[str]], list[str]], texts: Sequence[str]) -> Sequence[str]:
    """Texts that `make` makes of others: at once of a list, and otherwise whenever they are read."""
    return make(texts) if isinstance(texts, list) else MadeTexts(make, texts)


def _ends(path: Path) -> Path:
    return path.with_suffix(".ends.npy")
