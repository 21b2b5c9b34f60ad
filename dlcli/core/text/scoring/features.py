"""Features of a pair of texts, symmetric: what they share, what is left over, and how alike the leftover words are.

How much a word counts depends on how rare it is: in English, by a table of frequencies (`Rarity`), and in the table at hand
(`TableWords`), where the frame of a template is in every row and only what fills it tells rows apart. In a table of few rows
the frequencies of English dominate, in a large one its own. Without `TableWords` a pair has the same features everywhere.

The features are in groups, as listed in `FEATURES`:

- overlap of words, trigrams and bigrams: how much of the two texts is the same;
- order and ends: whether shared words come in the same order, since "a eats b" and "b eats a" have the same words;
- what is left over, and which of it is a slip, an inflection or an abbreviation of a word of the other text (`alignment`);
- numbers and names that are shared, added or swapped: "in 2023" for "in 2024" is a small change and a different question;
- meaning, by a static table of word vectors: of the whole texts, and of the words left over;
- negation, opposites, question words, function words and length: the form of the sentence rather than its subject.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from zlib import crc32

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.ragged import Ragged, bigrams, integer_encode
from dlcli.core.text.scoring.alignment import Alignment, WordShapes, align, implied_words, word_shapes
from dlcli.core.text.scoring.similar_words import MATCHED
from dlcli.core.text.scoring.word_forms import forms_of_run, without_markup
from dlcli.core.text.scoring.word_lists import FUNCTION_WORDS, NEGATIONS, NEUTRAL_WORDS, OPPOSITES, QUESTION_WORDS
from dlcli.core.text.scoring.word_vectors import WordVectors
from dlcli.core.text.tokens import IDEOGRAPH, ngrams

Floats = NDArray[np.float64]
Rows = NDArray[np.integer]

FEATURES = (
    # Overlap
    ("word_cosine", "cosine of the two sets of words, weighted by rarity"),
    ("word_containment", "share of the words of the text with fewer words that are in the other"),
    ("weight_containment", "the same by weight: shared rarity over that of the text with less"),
    ("trigram_overlap", "Jaccard index of character trigrams, each weighted by its part of the rarity of its words"),
    ("trigram_containment", "the shared weight of trigrams over that of the text with less"),
    ("bigram_jaccard", "Jaccard index of pairs of adjacent words; 1 if neither text has any"),
    # Order and ends
    ("word_order", "twice the longest common subsequence of words over the number of words"),
    ("words_moved", "the share of words that both have, less word_order: shared words in another order"),
    (
        "exchanged",
        "1 if two parts have changed places, and nothing else has, around other words than conjunctions and articles",
    ),
    ("first_equal", "1 if the first words are equal"),
    ("last_equal", "1 if the last words are equal"),
    # Words left over
    ("rarest_shared", "rarity of the rarest shared word, 0 if none is shared"),
    ("matched_high", "share of the rarity of a text that is shared or matched, in the text where that is higher"),
    ("matched_low", "the same in the text where that is lower"),
    ("unmatched_high", "ln(1 + sum of the rarities of unmatched words), in the text where that is higher"),
    ("unmatched_low", "the same in the text where that is lower"),
    ("rarest_unmatched_high", "rarity of the rarest unmatched word of either text, 0 if there is none"),
    ("rarest_unmatched_low", "the same in the text where that is lower"),
    ("aside", "share of the rarity of unmatched words of both texts that is in brackets; 0 if all are matched"),
    ("implied", "1 if a word of one text is put together from words of the other: website, IBM"),
    # Numbers and names
    ("numbers_shared", "ln(1 + words with a digit that both have)"),
    ("numbers_differing", "ln(1 + unmatched words with a digit)"),
    ("numbers_swapped", "ln(1 + unmatched words with a digit, in the text where those are fewer)"),
    ("names_shared", "ln(1 + words capitalised within one text that the other has)"),
    ("names_differing", "ln(1 + words capitalised within one text that the other has not)"),
    ("names_swapped", "the same as numbers_swapped, for words capitalised within one text"),
    # Meaning
    ("vector_cosine", "cosine of the mean word vectors, weighted by rarity; missing if less than a third is known"),
    ("unmatched_cosine", "the same for unmatched words only; missing if a text has no known one"),
    ("known_share", "share of the rarity of known words, in the text where that is lower"),
    # Form of the sentence
    ("negation_differs", "1 if a negation (not, never, without ...) is in only one text"),
    ("opposite", "1 if a word of one text is the opposite of one of the other"),
    ("question_words_jaccard", "Jaccard index of question words (what, how, can ...); 1 if neither text has any"),
    ("question_words_differing", "ln(1 + question words that only one text has)"),
    ("function_words_jaccard", "Jaccard index of function words (the, of, is ...); 1 if neither text has any"),
    ("length_ratio", "words of the shorter text over those of the longer"),
    ("length", "ln(1 + words of the shorter text)"),
)
"""Name and meaning of each column of `pair_features`. Ratios are in [0, 1], and 0 for a text without words unless stated."""

NAMES = tuple(name for name, _ in FEATURES)

_EXCHANGED = 3
"""Most words of a part that changes places with another."""
_ORDERED = 48
"""Only the first 48 words are compared for order: they fit in the bits of one 64-bit integer, see `_order`."""
_BLOCK = 1 << 13
_DECIMALS = 5
_PRIOR = 60.0
"""As how many texts the frequencies of English count beside those of the table."""
_SAYING_NOTHING = FUNCTION_WORDS - NEGATIONS - OPPOSITES.keys()
_FUNCTION_RARITY = 1.5
"""Most rarity of a function word in a table: that of a word in every fifth text."""
_COMMON_CHARACTER = 0.02
"""The frequency assumed of a character that stands for a word; the table of English words has none."""
_FEW_KNOWN = 1 / 3
_OPENING, _CLOSING = "([（", ")]）"


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
    runs, distinct = integer_encode(without_markup(text).split() for text in texts)
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
        found[character] = -np.log(_COMMON_CHARACTER)
        if table is None:
            return found
        frequency = np.array([table.frequency.get(word, 0) for word in vocabulary], np.float64)
        both = _LEAST - np.log((frequency + _PRIOR * np.exp(-found)) / (table.texts + _PRIOR))
        # A table of names has few articles, and one of them still says nothing.
        function = np.array([word in _SAYING_NOTHING for word in vocabulary], bool)
        return np.where(function, np.minimum(both, np.minimum(found, _FUNCTION_RARITY)), both)


_LEAST = 0.05
"""Added to every rarity in a table: a word of all rows still counts for something."""


def word_hash(word: str) -> int:
    """The CRC-32 of a word: the same in every process, and the table of words stores no text."""
    return crc32(word.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class TokenizedTexts:
    """Tokenized texts, with matrices over them that are computed on first use.

    Attributes:
        vocabulary: The distinct words.
        words: The words of each text in order, as indices into `vocabulary`.
        named: Whether each word occurrence is a name, capitalised within the text, (occurrences,).
        bracketed: Whether each word occurrence is in brackets, (occurrences,).
        kinds: For each word of the vocabulary 1, its rarity, its squared rarity, and whether it is a number, a negation, a
            question word and a function word, (vocabulary, 7). One product of a set of words with it gives all seven sums.
        meanings: A vector for each word of the vocabulary, (vocabulary, dimensions), zeros if it is unknown.
        table_size: Number of distinct texts of the table, None without one.
    """

    vocabulary: list[str]
    words: Ragged
    named: NDArray[np.bool_]
    bracketed: NDArray[np.bool_]
    kinds: Floats
    meanings: NDArray[np.float32]
    table_size: int | None = None

    @property
    def rarity(self) -> Floats:
        """The rarity of each word of the vocabulary."""
        return self.kinds[:, _RARITY]

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
        return word_shapes(self.vocabulary, self.known)

    @cached_property
    def implied(self) -> sp.csr_array:
        """Which words each text has in parts, (texts, vocabulary)."""
        return implied_words(self.words, self.vocabulary, self.kinds[:, _FUNCTION] == 0)

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
        return _sums(self.trigrams)

    @cached_property
    def in_bigrams(self) -> Floats:
        """How many pairs of words each text has, (texts,)."""
        return _sums(self.bigrams)

    @cached_property
    def in_names(self) -> Floats:
        """How many names each text has, (texts,)."""
        return _sums(self.names)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The mean word vector of each text, weighted by rarity, of length 1 or 0, (texts, dimensions)."""
        return _unit(self.sets @ (self.meanings * self.rarity[:, None]).astype(np.float32))

    @cached_property
    def known_share(self) -> Floats:
        """The share of the rarity of each text that known words have, (texts,)."""
        return _ratio(np.asarray(self.sets @ (self.rarity * self.known)), self.sums[:, _RARITY])


def tokenize_texts(
    texts: Sequence[str], rarity: Rarity, *, table: TableWords | None = None, vectors: WordVectors | None = None
) -> TokenizedTexts:
    """Tokenize texts before folding, since capitals show names; each distinct run between blanks and each word only once.

    Args:
        texts: The texts.
        rarity: How rare words are in English.
        table: How frequent words are in the table; None omits that.
        vectors: Vectors of words; None knows no word.

    Returns:
        The tokenized texts.
    """
    runs, distinct = integer_encode(without_markup(text).split() for text in texts)
    inner, vocabulary = integer_encode(map(forms_of_run, distinct))
    in_order = runs.expand(inner)
    kinds = _kinds(vocabulary, rarity.of(vocabulary, table))
    named = np.array([_capital(run) for run in distinct], bool)[runs.flat] & ~runs.is_first()
    lengths = inner.lengths[runs.flat]
    named = np.repeat(named, lengths) & (kinds[in_order.flat, _FUNCTION] == 0)
    bracketed = np.repeat(_in_brackets(runs, distinct), lengths)
    meanings = np.zeros((len(vocabulary), 1), np.float32) if vectors is None else vectors.of(vocabulary)
    return TokenizedTexts(vocabulary, in_order, named, bracketed, kinds, meanings, None if table is None else table.size)


def pair_features(texts: TokenizedTexts, first: Rows, second: Rows) -> NDArray[np.float32]:
    """The features of the pairs `first[k]`, `second[k]` of texts, (pairs, features) float32, columns as in `FEATURES`.

    Swapping the texts of a pair changes nothing.
    """
    found = np.empty((len(first), len(FEATURES)), np.float32)
    # Pairs of similar length go in one block, since `padded` fills all texts of a block up to its longest.
    longest = np.maximum(texts.words.lengths[first], texts.words.lengths[second])
    order = np.argsort(longest, kind="stable")
    for start in range(0, len(order), _BLOCK):
        rows = order[start : start + _BLOCK]
        found[rows] = _block(texts, first[rows], second[rows])
    return found


def trigram_overlap(texts: TokenizedTexts, first: Rows, second: Rows) -> NDArray[np.float32]:
    """Only the feature `trigram_overlap`, (pairs,), which the column `match` needs."""
    found = np.empty(len(first), np.float32)
    for start in range(0, len(first), _BLOCK):
        block = slice(start, start + _BLOCK)
        shared, _, union = _common(texts.trigrams, texts.in_trigrams, first[block], second[block])
        found[block] = _ratio(shared, union)
    return found


_ONE, _RARITY, _SQUARE, _NUMBER, _NEGATION, _QUESTION, _FUNCTION = range(7)


def _capital(run: str) -> bool:
    """Whether the first letter or digit of a run is a capital letter."""
    return next((char.isupper() for char in run if char.isalnum()), False)


def _in_brackets(runs: Ragged, distinct: list[str]) -> NDArray[np.bool_]:
    """Whether each run of each text is in brackets, (runs,)."""
    opened, closed = (np.array([sum(map(run.count, marks)) for run in distinct], np.int64) for marks in (_OPENING, _CLOSING))
    begins = np.array([run[0] in _OPENING for run in distinct], bool)
    found = np.zeros(len(runs.flat), bool)
    # Few texts have brackets, and only these are walked through.
    for text in np.unique(np.searchsorted(runs.ends, np.flatnonzero(opened[runs.flat]), side="right") - 1).tolist():
        depth = 0
        for place in range(runs.ends[text], runs.ends[text + 1]):
            run = runs.flat[place]
            found[place] = depth > 0 or begins[run]
            depth = max(0, depth + opened[run] - closed[run])
    return found


def _kinds(vocabulary: list[str], rare: Floats) -> Floats:
    numbers = [any(map(str.isdigit, word)) for word in vocabulary]
    lists = [[word in known for word in vocabulary] for known in (NEGATIONS, QUESTION_WORDS, FUNCTION_WORDS)]
    return np.stack([np.ones_like(rare), rare, rare**2, numbers, *lists], axis=1).astype(np.float64)


def _spread(vocabulary: list[str], rarity: Floats) -> sp.csr_array:
    """The rarity of each word, split equally among its trigrams, (vocabulary, trigrams)."""
    cut, distinct = integer_encode(ngrams(word, 3, 3) for word in vocabulary)
    trigrams = cut.binary_matrix(len(distinct))
    counts = np.diff(trigrams.indptr)
    trigrams.data = np.repeat(rarity / np.maximum(counts, 1), counts)
    return trigrams


def _block(texts: TokenizedTexts, first: Rows, second: Rows) -> NDArray[np.float32]:
    # Almost all follows from what a pair shares in words, trigrams, bigrams and names, one sparse product each: sums of what
    # only one text has are its own sums, computed once per text, less the shared ones.
    a, b = texts.sets[first], texts.sets[second]
    both = sp.csr_array(a.multiply(b))
    shared = np.asarray(both @ texts.kinds)
    of_a, of_b = texts.sums.take(first, axis=0), texts.sums.take(second, axis=0)
    less, left = np.minimum(of_a, of_b), of_a + of_b - 2 * shared
    union = left + shared
    columns = {
        "word_cosine": _ratio(shared[:, _SQUARE], np.sqrt(of_a[:, _SQUARE] * of_b[:, _SQUARE])),
        "word_containment": _ratio(shared[:, _ONE], less[:, _ONE]),
        "weight_containment": _ratio(shared[:, _RARITY], less[:, _RARITY]),
        "rarest_shared": _rarest(both, texts.rarity),
        "numbers_shared": np.log1p(shared[:, _NUMBER]),
        "negation_differs": (of_a[:, _NEGATION] > 0) != (of_b[:, _NEGATION] > 0),
        "question_words_jaccard": _ratio(shared[:, _QUESTION], union[:, _QUESTION], if_empty=1.0),
        "question_words_differing": np.log1p(left[:, _QUESTION]),
        "function_words_jaccard": _ratio(shared[:, _FUNCTION], union[:, _FUNCTION], if_empty=1.0),
        **_of_ngrams(texts, first, second),
        **_of_order(texts.words, first, second, texts.neutral),
        **_of_names(texts, a, b, first, second),
        **_of_leftover(texts, (sp.csr_array(a - both), sp.csr_array(b - both)), (of_a, of_b), (first, second)),
        **_of_vectors(texts, first, second),
    }
    # Rounded, since sums in another order must not fall on the other side of a split of a tree.
    found: NDArray[np.float32] = np.stack([columns[name] for name in NAMES], axis=1).astype(np.float32)
    return found.round(_DECIMALS)


_Columns = dict[str, NDArray[np.generic]]


def _of_ngrams(texts: TokenizedTexts, first: Rows, second: Rows) -> _Columns:
    grams, gram_less, gram_union = _common(texts.trigrams, texts.in_trigrams, first, second)
    pairs, _, pair_union = _common(texts.bigrams, texts.in_bigrams, first, second)
    return {
        "trigram_overlap": _ratio(grams, gram_union),
        "trigram_containment": _ratio(grams, gram_less),
        "bigram_jaccard": _ratio(pairs, pair_union, if_empty=1.0),
    }


def _of_order(words: Ragged, first: Rows, second: Rows, neutral: frozenset[int]) -> _Columns:
    in_order, in_any_order = _order(words, first, second)
    return {
        "word_order": in_order,
        "words_moved": in_any_order - in_order,
        "exchanged": _exchanged(words, first, second, in_any_order > in_order, neutral),
        "first_equal": _equal_end(words, first, second, last=False),
        "last_equal": _equal_end(words, first, second, last=True),
        "length_ratio": _length_ratio(words.lengths, first, second),
        "length": np.log1p(np.minimum(words.lengths[first], words.lengths[second])),
    }


def _of_names(texts: TokenizedTexts, a: sp.csr_array, b: sp.csr_array, first: Rows, second: Rows) -> _Columns:
    in_a, in_b = _sums(texts.names[second].multiply(a)), _sums(texts.names[first].multiply(b))
    left_a, left_b = texts.in_names.take(first) - in_b, texts.in_names.take(second) - in_a
    return {
        "names_shared": np.log1p(np.maximum(in_a, in_b)),
        "names_differing": np.log1p(left_a + left_b),
        "names_swapped": np.log1p(np.minimum(left_a, left_b)),
    }


def _of_leftover(
    texts: TokenizedTexts, left: tuple[sp.csr_array, sp.csr_array], sums: tuple[Floats, Floats], rows: tuple[Rows, Rows]
) -> _Columns:
    for side in left:
        side.eliminate_zeros()
    found = align(left, texts.shapes, texts.implied, texts.words, rows)
    lost = [_filled(left[k], texts.rarity[left[k].indices] * (1 - found.strength[k])) for k in (0, 1)]
    weight = [_sums(side) for side in lost]
    matched = [1 - _ratio(weight[k], sums[k][:, _RARITY]) for k in (0, 1)]
    aside = sum(_sums(lost[k].multiply(texts.asides[rows[k]])) for k in (0, 1))
    unmatched = [_unmatched(found, k) for k in (0, 1)]
    rarest = [_rarest(side, texts.rarity) for side in unmatched]
    numbers = [np.asarray(side @ texts.kinds[:, _NUMBER]) for side in unmatched]
    means = [_unit(side.astype(np.float32) @ (texts.meanings * texts.rarity[:, None]).astype(np.float32)) for side in unmatched]
    return {
        "matched_high": np.maximum(*matched),
        "matched_low": np.minimum(*matched),
        "unmatched_high": np.log1p(np.maximum(*weight).clip(0)),
        "unmatched_low": np.log1p(np.minimum(*weight).clip(0)),
        "rarest_unmatched_high": np.maximum(*rarest),
        "rarest_unmatched_low": np.minimum(*rarest),
        "aside": _ratio(np.asarray(aside), weight[0] + weight[1]),
        "implied": found.implied,
        "numbers_differing": np.log1p(numbers[0] + numbers[1]),
        "numbers_swapped": np.log1p(np.minimum(*numbers)),
        "opposite": found.opposite,
        "unmatched_cosine": _cosine(*means),
    }


def _of_vectors(texts: TokenizedTexts, first: Rows, second: Rows) -> _Columns:
    known = np.minimum(texts.known_share[first], texts.known_share[second])
    cosine = _cosine(texts.vectors[first], texts.vectors[second])
    return {"vector_cosine": np.where(known >= _FEW_KNOWN, cosine, np.nan), "known_share": known}


def _unmatched(found: Alignment, side: int) -> sp.csr_array:
    """The leftover words of one side that no word of the other matches, (pairs, vocabulary)."""
    kept = found.strength[side] < MATCHED
    matrix = found.left[side]
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], ends), shape=matrix.shape)


def _filled(matrix: sp.csr_array, entries: Floats) -> sp.csr_array:
    """A matrix with other entries at the same places."""
    return sp.csr_array((entries, matrix.indices, matrix.indptr), shape=matrix.shape)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-6)
    return unit


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> Floats:
    """The cosine of unit rows, NaN where one of them is zero."""
    known = a.any(axis=1) & b.any(axis=1)
    return np.where(known, np.einsum("ij,ij->i", a, b, dtype=np.float64), np.nan)


def _ratio(part: Floats, whole: Floats, *, if_empty: float = 0.0) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(len(part), if_empty), where=whole > 0)
    return found


def _rarest(sets: sp.csr_array, rarity: Floats) -> Floats:
    """The highest rarity in each row of a matrix of zeros and ones, 0 for an empty row."""
    weighted = _filled(sets, sets.data * rarity[sets.indices])
    return np.asarray(weighted.max(axis=1).toarray(), dtype=np.float64).ravel() if sets.shape[1] else np.zeros(sets.shape[0])


def _common(matrix: sp.csr_array, sums: Floats, first: Rows, second: Rows) -> tuple[Floats, Floats, Floats]:
    """Of each pair of rows the sums of their minimum, of the smaller row, and of their maximum (Ruzicka 1958)."""
    shared = _sums(matrix[first].minimum(matrix[second]))
    of_a, of_b = sums.take(first), sums.take(second)
    return shared, np.minimum(of_a, of_b), of_a + of_b - shared


def _sums(matrix: sp.csr_array) -> Floats:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()


def _exchanged(
    words: Ragged, first: Rows, second: Rows, moved: NDArray[np.bool_], neutral: frozenset[int]
) -> NDArray[np.bool_]:
    """Whether the shared words of a pair are P X M Y S in one text and P Y M X S in the other, with M that makes a difference.

    "from a to b" and "from b to a", but not "a and b" and "b and a", nor "Ada Lovelace" and "Lovelace, Ada".
    """
    found = np.zeros(len(first), bool)
    for row in np.flatnonzero(moved).tolist():
        a, b = (words.flat[words.ends[text] : words.ends[text + 1]].tolist()[:_ORDERED] for text in (first[row], second[row]))
        shared = set(a) & set(b)
        found[row] = _is_exchange([w for w in a if w in shared], [w for w in b if w in shared], neutral)
    return found


def _is_exchange(a: list[int], b: list[int], neutral: frozenset[int]) -> bool:
    if sorted(a) != sorted(b):
        return False
    start = next((k for k, (x, y) in enumerate(zip(a, b, strict=True)) if x != y), len(a))
    while len(a) > start and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    a, b = a[start:], b[start:]
    for x, y in product(range(1, _EXCHANGED + 1), repeat=2):
        between = a[x : len(a) - y]
        if between and a[:x] == b[len(b) - x :] and a[len(a) - y :] == b[:y] and between == b[y : len(b) - x]:
            return not neutral.issuperset(between)
    return False


def _equal_end(in_order: Ragged, first: Rows, second: Rows, *, last: bool) -> NDArray[np.bool_]:
    a, b = in_order.end_of(first, last=last), in_order.end_of(second, last=last)
    return np.asarray((a == b) & (a >= 0))


def _length_ratio(lengths: NDArray[np.int64], first: Rows, second: Rows) -> Floats:
    a, b = lengths[first], lengths[second]
    return _ratio(np.minimum(a, b).astype(np.float64), np.maximum(a, b).astype(np.float64))


def _order(in_order: Ragged, first: Rows, second: Rows) -> tuple[Floats, Floats]:
    """2 L / (words of both), with L the longest common subsequence of the first 48 words; and the same in any order.

    The table of Wagner and Fischer (1974) has one row per word of `b`. Along a row the length grows by 0 or 1 per word of `a`,
    so a row is one bit per word, here 0 where it grows (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"). The carry
    of one integer addition moves each growth as far as the dynamic programme would, and numpy does it for all pairs at once.
    In any order, each word of `b` takes the first equal word of `a` that is not yet taken.
    """
    of_a, of_b = (np.minimum(in_order.lengths[rows], _ORDERED) for rows in (first, second))
    a, b = in_order.padded(first, int(of_a.max(initial=0)), -1), in_order.padded(second, int(of_b.max(initial=0)), -2)
    grows, free = np.full(len(first), -1, np.int64), np.full(len(first), -1, np.int64)
    for word in b.T:
        met = _bits(a == word[:, None])
        grows = (grows + (grows & met)) | (grows & ~met)
        free &= ~(met & free & -(met & free))
    words = (of_a + of_b).astype(np.float64)
    return _ratio(2.0 * np.bitwise_count(~grows), words), _ratio(2.0 * np.bitwise_count(~free), words)


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pack each row of up to 64 flags into an integer, the first flag into its lowest bit."""
    found = np.zeros((len(flags), 8), np.uint8)
    packed = np.packbits(flags, axis=1, bitorder="little")
    found[:, : packed.shape[1]] = packed
    return found.view("<i8").ravel()
