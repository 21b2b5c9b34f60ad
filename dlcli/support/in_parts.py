"""Sequences that are not held: parts of them are read or made when they are needed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class InParts(Sequence[T], ABC):
    """A sequence of which some are read or made at a time, by `some`."""

    @abstractmethod
    def some(self, start: int, stop: int) -> list[T]:
        """The items from `start` to `stop`, which are in range."""

    @abstractmethod
    def at_once(self) -> int:
        """How many are read or made at a time where all are."""

    def __iter__(self) -> Iterator[T]:
        step = self.at_once()
        for start in range(0, len(self), step):
            yield from self.some(start, min(start + step, len(self)))

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        """An item, or a list of those of a slice."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return self.some(start, max(start, stop)) if step == 1 else [self[k] for k in range(start, stop, step)]
        index = index + len(self) if index < 0 else index
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.some(index, index + 1)[0]
