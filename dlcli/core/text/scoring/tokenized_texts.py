"""Tokenized texts, with what the features of a pair need of each text, computed once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.cut_texts import CutTexts
from dlcli.core.text.ragged import Ragged, bigrams, in_alphabetical_order, integer_encode
from dlcli.core.text.scoring.alignment import WordShapes, implied_words, word_shapes
from dlcli.core.text.scoring.arrays import Floats, ratio, row_sums, unit_rows
from dlcli.core.text.scoring.codes import Codes, find_codes
from dlcli.core.text.scoring.digits import Digits, find_digits
from dlcli.core.text.scoring.rarity import Rarity, TableWords
from dlcli.core.text.scoring.word_forms import forms_of_run, without_markup
from dlcli.core.text.scoring.word_lists import FUNCTION_WORDS, NEGATIONS, NEUTRAL_WORDS, QUESTION_WORDS
from dlcli.core.text.scoring.word_vectors import WordVectors
from dlcli.core.text.tokens import ngrams

_OPENING, _CLOSING = "([（", ")]）"
_BRACKET = re.compile(f"[{re.escape(_OPENING + _CLOSING)}]")
_CACHED = 1 << 17
_ROWS = 1 << 11
"""Texts whose vectors are made at a time."""


class Kind(IntEnum):
    """The columns of `TokenizedTexts.kinds`."""

    ONE = 0
    RARITY = 1
    SQUARE = 2
    NUMBER = 3
    NEGATION = 4
    QUESTION = 5
    FUNCTION = 6


@dataclass(frozen=True)
class TokenizedTexts:
    """Tokenized texts, with matrices over them that are computed on first use.

    Attributes:
        vocabulary: The distinct words.
        words: The words of each text in order, as indices into `vocabulary`.
        runs: The runs between blanks of each text in order, as indices into `distinct_runs`.
        inner: The words of each distinct run, as indices into `vocabulary`.
        distinct_runs: The distinct runs.
        kinds: For each word of the vocabulary 1, its rarity, its squared rarity, and whether it is a number, a negation, a
            question word and a function word, (vocabulary, 7). One product of a set of words with it gives all seven sums.
        meanings: A vector for each word of the vocabulary, (vocabulary, dimensions), zeros if it is unknown.
        english: How rare each word is in English, whatever the table, (vocabulary,).
        table_size: Number of distinct texts of the table, None without one.
    """

    vocabulary: list[str]
    words: Ragged
    runs: Ragged
    inner: Ragged
    distinct_runs: list[str]
    kinds: Floats
    meanings: NDArray[np.float32]
    english: Floats
    table_size: int | None = None

    @property
    def rarity(self) -> Floats:
        """The rarity of each word of the vocabulary."""
        return self.kinds[:, Kind.RARITY]

    @cached_property
    def codes(self) -> Codes:
        """The model numbers, dates and so on of each text."""
        return find_codes(self.runs, self.inner, self.vocabulary)

    @cached_property
    def digits(self) -> Digits:
        """The words of digits of each text."""
        return find_digits(self.words, self.vocabulary)

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """Whether each word occurrence is a name, capitalised within the text, (occurrences,)."""
        named = np.array([_capital(run) for run in self.distinct_runs], bool)[self.runs.flat] & ~self.runs.is_first()
        named = np.repeat(named, self.inner.lengths[self.runs.flat])
        return np.asarray(named & (self.kinds[self.words.flat, Kind.FUNCTION] == 0))

    @cached_property
    def bracketed(self) -> NDArray[np.bool_]:
        """Whether each word occurrence is in brackets, (occurrences,)."""
        return np.repeat(_in_brackets(self.runs, self.distinct_runs), self.inner.lengths[self.runs.flat])

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether each word of the vocabulary has a vector."""
        return np.asarray(self.meanings.any(axis=1))

    @cached_property
    def neutral(self) -> frozenset[int]:
        """Numbers of the words around which two parts may change places without a change of meaning."""
        return frozenset(number for number, word in enumerate(self.vocabulary) if word in NEUTRAL_WORDS)

    @cached_property
    def shapes(self) -> WordShapes:
        """What the alignment compares first."""
        return word_shapes(self.vocabulary, self.meanings, self.english)

    @cached_property
    def implied(self) -> sp.csr_array:
        """Which words each text has in parts, (texts, vocabulary)."""
        return implied_words(self.words, self.vocabulary, self.kinds[:, Kind.FUNCTION] == 0)

    @cached_property
    def sets(self) -> sp.csr_array:
        """Which words each text has, (texts, vocabulary)."""
        return self.words.binary_matrix(len(self.vocabulary))

    @cached_property
    def names(self) -> sp.csr_array:
        """Which names each text has, (texts, vocabulary)."""
        return self.words.keep(self.named).binary_matrix(len(self.vocabulary))

    @cached_property
    def asides(self) -> sp.csr_array:
        """Which words each text has in brackets, (texts, vocabulary)."""
        return self.words.keep(self.bracketed).binary_matrix(len(self.vocabulary))

    @cached_property
    def bigrams(self) -> sp.csr_array:
        """Which pairs of adjacent words each text has, (texts, vocabulary * vocabulary)."""
        width = len(self.vocabulary)
        return bigrams(self.words, width).binary_matrix(width**2)

    @cached_property
    def trigrams(self) -> sp.csr_array:
        """The weight of each trigram in each text, (texts, trigrams): the rarity of its words, split among their trigrams."""
        return sp.csr_array(self.sets @ _spread(self.vocabulary, self.rarity))

    @cached_property
    def sums(self) -> Floats:
        """The sum of `kinds` over the words of each text, (texts, 7)."""
        return np.asarray(self.sets @ self.kinds)

    @cached_property
    def in_trigrams(self) -> Floats:
        """The sum of `trigrams` of each text, (texts,)."""
        return row_sums(self.trigrams)

    @cached_property
    def in_bigrams(self) -> Floats:
        """How many pairs of words each text has, (texts,)."""
        return row_sums(self.bigrams)

    @cached_property
    def in_names(self) -> Floats:
        """How many names each text has, (texts,)."""
        return row_sums(self.names)

    @cached_property
    def weighted_meanings(self) -> NDArray[np.float32]:
        """The vector of each word times its rarity, (vocabulary, dimensions)."""
        return (self.meanings * self.rarity[:, None]).astype(np.float32)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The mean word vector of each text, weighted by rarity, of length 1 or 0, (texts, dimensions)."""
        found = np.empty((self.sets.shape[0], self.meanings.shape[1]), np.float32)
        for start in range(0, len(found), _ROWS):  # which stay in the cache
            some = slice(start, start + _ROWS)
            found[some] = unit_rows(self.sets[some] @ self.weighted_meanings)
        return found

    @cached_property
    def known_share(self) -> Floats:
        """The share of the rarity of each text that known words have, (texts,)."""
        return ratio(np.asarray(self.sets @ (self.rarity * self.known)), self.sums[:, Kind.RARITY])


def tokenize_texts(
    texts: Sequence[str], rarity: Rarity, *, table: TableWords | None = None, vectors: WordVectors | None = None
) -> TokenizedTexts:
    """Tokenize texts before folding, since capitals show names; each distinct run between blanks and each word only once.

    Words and trigrams are numbered alphabetically: sums over them are then added in the same order whatever other texts there
    are, so that the features of a pair are the same, bit for bit, in every part of a table.

    Args:
        texts: The texts.
        rarity: How rare words are in English.
        table: How frequent words are in the table; None omits that.
        vectors: Vectors of words; None knows no word.

    Returns:
        The tokenized texts.
    """
    runs, distinct = texts.runs() if isinstance(texts, CutTexts) else integer_encode(map(str.split, map(without_markup, texts)))
    inner, vocabulary = in_alphabetical_order(*integer_encode(map(forms_of_run, distinct)))
    in_order = runs.expand(inner)
    english = rarity.of(vocabulary)
    kinds = _kinds(vocabulary, english if table is None else rarity.in_table(vocabulary, english, table))
    meanings = np.zeros((len(vocabulary), 1), np.float32) if vectors is None else vectors.of(vocabulary)
    size = None if table is None else table.size
    return TokenizedTexts(vocabulary, in_order, runs, inner, distinct, kinds, meanings, english, size)


def _capital(run: str) -> bool:
    """Whether the first letter or digit of a run is a capital letter."""
    return next((char.isupper() for char in run if char.isalnum()), False)


def _in_brackets(runs: Ragged, distinct: list[str]) -> NDArray[np.bool_]:
    """Whether each run of each text is in brackets, (runs,)."""
    opened, closed = (np.zeros(len(distinct), np.int64) for _ in range(2))
    begins = np.zeros(len(distinct), bool)
    for number, run in [(number, run) for number, run in enumerate(distinct) if _BRACKET.search(run)]:
        opened[number], closed[number] = (sum(map(run.count, marks)) for marks in (_OPENING, _CLOSING))
        begins[number] = run[0] in _OPENING
    found = np.zeros(len(runs.flat), bool)
    deeper = (opened - closed).tolist()
    # Few texts have brackets, and only these are walked through.
    for text in np.unique(np.searchsorted(runs.ends, np.flatnonzero(opened[runs.flat]), side="right") - 1).tolist():
        depth, places = 0, slice(runs.ends[text], runs.ends[text + 1])
        inside = []
        for run in runs.flat[places].tolist():
            inside.append(depth > 0)
            depth = max(0, depth + deeper[run])
        found[places] = np.logical_or(inside, begins[runs.flat[places]])
    return found


def _kinds(vocabulary: list[str], rare: Floats) -> Floats:
    numbers = [any(map(str.isdigit, word)) for word in vocabulary]
    lists = [[word in known for word in vocabulary] for known in (NEGATIONS, QUESTION_WORDS, FUNCTION_WORDS)]
    return np.stack([np.ones_like(rare), rare, rare**2, numbers, *lists], axis=1).astype(np.float64)


@lru_cache(maxsize=_CACHED)
def _trigrams(word: str) -> list[str]:
    return ngrams(word, 3, 3)


def _spread(vocabulary: list[str], rarity: Floats) -> sp.csr_array:
    """The rarity of each word, split equally among its trigrams, (vocabulary, trigrams)."""
    cut, distinct = in_alphabetical_order(*integer_encode(map(_trigrams, vocabulary)))
    trigrams = cut.binary_matrix(len(distinct))
    counts = np.diff(trigrams.indptr)
    trigrams.data = np.repeat(rarity / np.maximum(counts, 1), counts)
    return trigrams
