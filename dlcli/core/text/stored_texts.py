"""Texts in a file, which several processes read without holding them all."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

_ENCODING = ("utf-8", "surrogatepass")


class StoredTexts(Sequence[str]):
    """The texts that `store_texts` wrote; the files are mapped when a text is first read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends = np.load(_ends(path), mmap_mode="r", allow_pickle=False)
        self._bytes = np.memmap(path, np.uint8, "r") if self._ends[-1] else np.empty(0, np.uint8)

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredTexts, (self._path,)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """A text, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._bytes[self._ends[index] : self._ends[index + 1]].tobytes().decode(*_ENCODING)


def store_texts(path: Path, texts: Iterable[str]) -> StoredTexts:
    """Write texts to a file, and where each ends to one beside it, and open them."""
    ends = [0]
    with path.open("wb") as stream:
        for text in texts:
            ends.append(ends[-1] + stream.write(text.encode(*_ENCODING)))
    np.save(_ends(path), np.array(ends, np.int64))
    return StoredTexts(path)


def _ends(path: Path) -> Path:
    return path.with_suffix(".ends.npy")
