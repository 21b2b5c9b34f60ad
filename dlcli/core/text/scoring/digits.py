"""Numbers that one text writes as one word and another as several: `030 1234567` and `030/123 45 67`, `10 000` and `10000`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.ragged import Ragged, integer_encode
from dlcli.core.text.scoring.arrays import Rows

_LONG = 5
"""Digits from which a number is likely to be the same one as its parts: `1 1` and `11` may be two things."""


@dataclass(frozen=True)
class Digits:
    """The words of texts that are digits only.

    Attributes:
        vocabulary: All distinct words.
        of_word: Which of them are digits only, (vocabulary,).
        words: Those of each text in order, as indices into `vocabulary`.
        strings: A number for what those of each text are when they are joined, equal for equal strings, -1 if there are none,
            (texts,).
    """

    vocabulary: Sequence[str]
    of_word: NDArray[np.bool_]
    words: Ragged
    strings: NDArray[np.int64]

    def same_when_joined(self, first: Rows, second: Rows) -> NDArray[np.bool_]:
        """Whether the numbers of two texts are the same ones, cut in other places.

        Args:
            first: Number of the first text of each pair, (pairs,).
            second: Number of the second one.

        Returns:
            Whether they are, (pairs,).
        """
        found = np.zeros(len(first), bool)
        equal = (self.strings[first] == self.strings[second]) & (self.strings[first] >= 0)
        for pair in np.flatnonzero(equal & (self.words.lengths[first] != self.words.lengths[second])).tolist():
            one, other = (self._of_text(int(rows[pair])) for rows in (first, second))
            found[pair] = joined_from(one, other) if len(one) > len(other) else joined_from(other, one)
        return found

    def _of_text(self, text: int) -> list[str]:
        return [self.vocabulary[word] for word in self.words.flat[self.words.ends[text] : self.words.ends[text + 1]].tolist()]


def find_digits(words: Ragged, vocabulary: Sequence[str]) -> Digits:
    """Find the words of digits.

    Args:
        words: The words of each text in order, as numbers.
        vocabulary: The words.

    Returns:
        The words of digits of each text.
    """
    of_word = np.array([*map(str.isdecimal, vocabulary)], bool)
    kept = words.keep(of_word[words.flat])
    found = Digits(vocabulary, of_word, kept, np.full(len(kept.lengths), -1, np.int64))
    some = np.flatnonzero(kept.lengths)
    found.strings[some] = integer_encode([["".join(found._of_text(text)) for text in some.tolist()]]).lists.flat
    return found


def joined_from(parts: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether the words of one text are those of the other, some of them cut in several; both have the same digits.

    Args:
        parts: The words of digits of one text, in order.
        whole: Those of the other one, which are fewer.

    Returns:
        True for `030 123 45 67` and `030 1234567`; False for `1 23 4` and `12 34`, and where a number that is cut is short.
    """
    ends = np.cumsum([*map(len, parts)]).tolist()
    start = 0
    for word in whole:
        end = start + len(word)
        cut = any(start < place < end for place in ends)
        if end not in ends or (cut and len(word) < _LONG):
            return False
        start = end
    return True
