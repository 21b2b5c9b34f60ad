"""Sequences that are not held: parts of them are read or made when they are needed."""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")
_SPARSE = 8
"""Where one item in eight or more is wanted, those between are read too."""


class InParts(Sequence[T], ABC):
    """A sequence of which some are read or made at a time, by `some`."""

    @abstractmethod
    def some(self, start: int, stop: int) -> list[T]:
        """The items from `start` to `stop`, which are in range."""

    @abstractmethod
    def at_once(self) -> int:
        """How many are read or made at a time where all are."""

    def take(self, places: Sequence[int]) -> list[T]:
        """The items at ascending `places`; what is read of items that are close to each other is read together."""
        found: list[T] = []
        start = 0
        while start < len(places):
            first = places[start]
            stop = bisect_left(places, first + self.at_once(), start)
            wanted = places[start:stop]
            if wanted[-1] - first < _SPARSE * len(wanted):
                some = self.some(first, wanted[-1] + 1)
                found += [some[k - first] for k in wanted]
            else:
                found += [self[k] for k in wanted]
            start = stop
        return found

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


def taken(items: Sequence[T], places: Sequence[int]) -> list[T]:
    """The items at ascending `places`."""
    return items.take(places) if isinstance(items, InParts) else [items[k] for k in places]
