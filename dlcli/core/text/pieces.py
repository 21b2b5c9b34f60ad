"""Texts cut at their blanks, each distinct piece of text once."""

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.on_disk import GrowingArray
from dlcli.support.row_store import batches

_AT_ONCE = 1 << 13
"""Texts that are cut at a time."""


class Vocabulary(dict[str, int]):
    """Numbers strings in order of first occurrence."""

    def __missing__(self, string: str) -> int:
        self[string] = number = len(self)
        return number


class Pieces(NamedTuple):
    """The pieces of texts, the substrings between blanks, as numbers; of many texts they lie on disk.

    Attributes:
        numbers: The pieces of all texts, one text after the other, (pieces,).
        lengths: How many pieces each text has, (texts,).
        distinct: The distinct pieces that the numbers stand for, in order of first occurrence.
    """

    numbers: NDArray[np.int32]
    lengths: NDArray[np.int32]
    distinct: list[str]


def cut_at_blanks(texts: Iterable[str]) -> Pieces:
    """Cut each text at its blanks."""
    known = Vocabulary()
    numbers, lengths = GrowingArray(np.int32), GrowingArray(np.int32)
    for some in batches(texts, _AT_ONCE):
        cut = [text.split() for text in some]
        sizes = np.array([*map(len, cut)], np.int32)
        numbers.append(np.fromiter(map(known.__getitem__, chain.from_iterable(cut)), np.int32, int(sizes.sum())))
        lengths.append(sizes)
    return Pieces(numbers.array(), lengths.array(), list(known))
