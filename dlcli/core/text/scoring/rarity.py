"""How rare words are: in English, by a table of frequencies, and in the table at hand."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.ragged import integer_encode
from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.word_forms import forms_of_run, without_markup
from dlcli.core.text.scoring.word_lists import FUNCTION_WORDS, NEGATIONS, OPPOSITES
from dlcli.core.text.tokens import IDEOGRAPH

_PRIOR = 60.0
"""As how many texts the frequencies of English count beside those of the table."""
_SAYING_NOTHING = FUNCTION_WORDS - NEGATIONS - OPPOSITES.keys()
_FUNCTION_RARITY = 1.5
"""Most rarity of a function word in a table: that of a word in every fifth text."""
_CHARACTER_RARITY = -math.log(0.02)
"""The rarity assumed of a character that stands for a word; the table of English words has none."""


@dataclass(frozen=True)
class TableWords:
    """How many texts of a table have each word.

    Attributes:
        size: Number of distinct texts of the table.
        texts: In how many of them words were counted.
        frequency: How many of these have each word.
    """

    size: int
    texts: int
    frequency: Mapping[str, int]


def count_words(texts: Sequence[str], *, step: int = 1) -> TableWords:
    """Count how many of the distinct texts of a table, or of every `step`-th of them, have each word."""
    size, texts = len(texts), texts[::step]
    runs, distinct = integer_encode(map(str.split, map(without_markup, texts)))
    inner, vocabulary = integer_encode(map(forms_of_run, distinct))
    frequency = np.asarray(runs.expand(inner).binary_matrix(len(vocabulary)).sum(axis=0), np.int64).ravel().tolist()
    return TableWords(size, len(texts), dict(zip(vocabulary, frequency, strict=True)))


@dataclass(frozen=True)
class Rarity:
    """How rare words are in English: -ln of the share of texts that contain a word.

    Attributes:
        hashes: CRC-32 of the known words, sorted.
        values: Their rarity, above 0.
        unseen: The rarity of every other word.
    """

    hashes: NDArray[np.int64]
    values: Floats
    unseen: float

    def of(self, vocabulary: Sequence[str], table: TableWords | None = None) -> Floats:
        """The rarity of each word, (words,), in English, or in a table and English together.

        The frequencies of English count as those of `_PRIOR` more texts of the table do.
        """
        wanted = np.array([word_hash(word) for word in vocabulary], np.int64)
        places = np.searchsorted(self.hashes, wanted)
        known = np.append(self.hashes, -1)[places] == wanted
        found = np.where(known, np.append(self.values, self.unseen)[places], self.unseen)
        character = np.array([bool(IDEOGRAPH.match(word)) for word in vocabulary], bool)
        found[character] = [
            _FUNCTION_RARITY if word in FUNCTION_WORDS else _CHARACTER_RARITY for word in vocabulary if IDEOGRAPH.match(word)
        ]
        return found if table is None else self.in_table(vocabulary, found, table)

    def in_table(self, vocabulary: Sequence[str], english: Floats, table: TableWords) -> Floats:
        """The rarity of words in a table and in English together.

        Args:
            vocabulary: The words.
            english: Their rarity in English, (words,).
            table: How frequent words are in the table.

        Returns:
            The rarities, (words,).
        """
        frequency = np.array([table.frequency.get(word, 0) for word in vocabulary], np.float64)
        both = _LEAST - np.log((frequency + _PRIOR * np.exp(-english)) / (table.texts + _PRIOR))
        # A table of names has few articles, and one of them still says nothing.
        function = np.array([word in _SAYING_NOTHING for word in vocabulary], bool)
        return np.where(function, np.minimum(both, np.minimum(english, _FUNCTION_RARITY)), both)


_LEAST = 0.05
"""Added to every rarity in a table: a word of all rows still counts for something."""


def word_hash(word: str) -> int:
    """The CRC-32 of a word: the same in every process, and the table of words stores no text."""
    return crc32(word.encode("utf-8", "surrogatepass"))
