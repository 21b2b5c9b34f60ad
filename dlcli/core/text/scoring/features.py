"""23 lexical features of a pair of texts, symmetric, each a function of the two texts alone.

How rare a word is comes from a table of word frequencies in English (`Rarity`), not from the other rows of the table. So a
pair has the same features in every table, order and index, and even a table of two rows has features: document frequencies of
a few rows would mean nothing. In a language that the table does not cover, all words are equally rare.

The features are in five groups, as listed in `FEATURES`:

- overlap of words, trigrams and bigrams: how much of the two texts is the same;
- order and ends: whether shared words come in the same order, since "a eats b" and "b eats a" have the same words;
- what is left over: how rare the words are that only one text has, since one rare word changes a question more than "the";
- numbers and names that are shared, added or swapped: "in 2023" for "in 2024" is a small change and a different question;
- negation, question words, function words and length: the form of the sentence rather than its subject.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.ragged import Ragged, bigrams, integer_encode
from dlcli.core.text.tokens import ngrams, words_of_run

Floats = NDArray[np.float64]
Rows = NDArray[np.integer]

FEATURES = (
    # Overlap
    ("word_cosine", "cosine of the two sets of words, weighted by rarity"),
    ("word_containment", "share of the words of the text with fewer words that are in the other"),
    ("trigram_overlap", "Jaccard index of character trigrams, each weighted by its part of the rarity of its words"),
    ("trigram_containment", "the shared weight of trigrams over that of the text with less"),
    ("bigram_jaccard", "Jaccard index of pairs of adjacent words; 1 if neither text has any"),
    # Order and ends
    ("word_order", "twice the longest common subsequence of words over the number of words"),
    ("first_equal", "1 if the first words are equal"),
    ("last_equal", "1 if the last words are equal"),
    # Words left over
    ("rarest_shared", "rarity of the rarest shared word, 0 if none is shared"),
    ("rarest_left_high", "rarity of the rarest word that only one text has, 0 if there is none"),
    ("rarest_left_low", "the same in the text where that is lower"),
    ("left_high", "ln(1 + sum of the rarities of words only one text has), in the text where that is higher"),
    # Numbers and names
    ("numbers_shared", "ln(1 + words with a digit that both have)"),
    ("numbers_differing", "ln(1 + words with a digit that only one has)"),
    ("numbers_swapped", "ln(1 + words with a digit that only one text has, in the text where those are fewer)"),
    ("names_shared", "ln(1 + words capitalised within one text that the other has)"),
    ("names_differing", "ln(1 + words capitalised within one text that the other has not)"),
    ("names_swapped", "the same as numbers_swapped, for words capitalised within one text"),
    # Form of the sentence
    ("negation_differs", "1 if a negation (not, never, without ...) is in only one text"),
    ("question_words_jaccard", "Jaccard index of question words (what, how, can ...); 1 if neither text has any"),
    ("question_words_differing", "ln(1 + question words that only one text has)"),
    ("function_words_jaccard", "Jaccard index of function words (the, of, is ...); 1 if neither text has any"),
    ("length_ratio", "words of the shorter text over those of the longer"),
)
"""Name and meaning of each column of `pair_features`. Ratios are in [0, 1], and 0 for a text without words unless stated."""

NAMES = tuple(name for name, _ in FEATURES)

NEGATIONS = frozenset(
    "no not never none nothing nobody neither nor without cannot can't don't doesn't didn't isn't aren't wasn't weren't won't "
    "wouldn't shouldn't couldn't haven't hasn't hadn't".split()
)
QUESTION_WORDS = frozenset(
    "what how why when where who which whom whose is are do does did can could should would will was were has have".split()
)
FUNCTION_WORDS = QUESTION_WORDS | frozenset(
    "a an the of to in on at by for from with as and or but if than then so that this these those there any some all no not "
    "it its i me my you your he his she her we us our they their them be been being am had may might must just only also very "
    "too about into over after before between out up down off more most other such own same get got one ones".split()
)
_ORDERED = 48
"""Only the first 48 words are compared for order: they fit in the bits of one 64-bit integer, see `_order`."""
_BLOCK = 1 << 13


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

    def of(self, vocabulary: Sequence[str]) -> Floats:
        """The rarity of each word, (words,)."""
        wanted = np.array([word_hash(word) for word in vocabulary], np.int64)
        places = np.searchsorted(self.hashes, wanted)
        known = np.append(self.hashes, -1)[places] == wanted
        return np.where(known, np.append(self.values, self.unseen)[places], self.unseen)


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
        kinds: For each word of the vocabulary 1, its rarity, its squared rarity, and whether it is a number, a negation, a
            question word and a function word, (vocabulary, 7). One product of a set of words with it gives all seven sums.
    """

    vocabulary: list[str]
    words: Ragged
    named: NDArray[np.bool_]
    kinds: Floats

    @property
    def rarity(self) -> Floats:
        """The rarity of each word of the vocabulary."""
        return self.kinds[:, _RARITY]

    @cached_property
    def sets(self) -> sp.csr_array:
        """Which words each text has, (texts, vocabulary)."""
        return self.words.binary_matrix(len(self.vocabulary))

    @cached_property
    def names(self) -> sp.csr_array:
        """Which names each text has, (texts, vocabulary)."""
        return self.words.keep(self.named).binary_matrix(len(self.vocabulary))

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


def tokenize_texts(texts: Sequence[str], rarity: Rarity) -> TokenizedTexts:
    """Tokenize texts before folding, since capitals show names; each distinct run between blanks and each word only once."""
    runs, distinct = integer_encode(map(str.split, texts))
    inner, vocabulary = integer_encode(map(words_of_run, distinct))
    in_order = runs.expand(inner)
    kinds = _kinds(vocabulary, rarity)
    named = np.array([_capital(run) for run in distinct], bool)[runs.flat] & ~runs.is_first()
    named = np.repeat(named, inner.lengths[runs.flat]) & (kinds[in_order.flat, _FUNCTION] == 0)
    return TokenizedTexts(vocabulary, in_order, named, kinds)


def pair_features(texts: TokenizedTexts, first: Rows, second: Rows) -> NDArray[np.float32]:
    """The features of the pairs `first[k]`, `second[k]` of texts, (pairs, 23) float32, columns as in `FEATURES`.

    Swapping the texts of a pair changes nothing. On one thread it takes about 10 microseconds per pair, and tokenizing 20 per
    text.
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


def _kinds(vocabulary: list[str], rarity: Rarity) -> Floats:
    rare = rarity.of(vocabulary)
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


def _block(texts: TokenizedTexts, first: Rows, second: Rows) -> Floats:
    # Almost all follows from what a pair shares in words, trigrams, bigrams and names, one sparse product each: sums of what
    # only one text has are its own sums, computed once per text, less the shared ones.
    a, b = texts.sets[first], texts.sets[second]
    both = sp.csr_array(a.multiply(b))
    shared = np.asarray(both @ texts.kinds)
    of_a, of_b = texts.sums.take(first, axis=0), texts.sums.take(second, axis=0)
    less, left_a, left_b = np.minimum(of_a, of_b), of_a - shared, of_b - shared
    left, union = left_a + left_b, left_a + left_b + shared
    rarest_a, rarest_b = _rarest(a - both, texts.rarity), _rarest(b - both, texts.rarity)
    grams, gram_less, gram_union = _common(texts.trigrams, texts.in_trigrams, first, second)
    pairs, _, pair_union = _common(texts.bigrams, texts.in_bigrams, first, second)
    in_a, in_b = _sums(texts.names[second].multiply(a)), _sums(texts.names[first].multiply(b))
    names_left_a, names_left_b = texts.in_names.take(first) - in_b, texts.in_names.take(second) - in_a
    columns = {
        "word_cosine": _ratio(shared[:, _SQUARE], np.sqrt(of_a[:, _SQUARE] * of_b[:, _SQUARE])),
        "word_containment": _ratio(shared[:, _ONE], less[:, _ONE]),
        "trigram_overlap": _ratio(grams, gram_union),
        "trigram_containment": _ratio(grams, gram_less),
        "bigram_jaccard": _ratio(pairs, pair_union, if_empty=1.0),
        "word_order": _order(texts.words, first, second),
        "first_equal": _equal_end(texts.words, first, second, last=False),
        "last_equal": _equal_end(texts.words, first, second, last=True),
        "rarest_shared": _rarest(both, texts.rarity),
        "rarest_left_high": np.maximum(rarest_a, rarest_b),
        "rarest_left_low": np.minimum(rarest_a, rarest_b),
        "left_high": np.log1p(np.maximum(left_a[:, _RARITY], left_b[:, _RARITY]).clip(0)),
        "numbers_shared": np.log1p(shared[:, _NUMBER]),
        "numbers_differing": np.log1p(left[:, _NUMBER]),
        "numbers_swapped": np.log1p(np.minimum(left_a[:, _NUMBER], left_b[:, _NUMBER])),
        "names_shared": np.log1p(np.maximum(in_a, in_b)),
        "names_differing": np.log1p(names_left_a + names_left_b),
        "names_swapped": np.log1p(np.minimum(names_left_a, names_left_b)),
        "negation_differs": left[:, _NEGATION] > 0,
        "question_words_jaccard": _ratio(shared[:, _QUESTION], union[:, _QUESTION], if_empty=1.0),
        "question_words_differing": np.log1p(left[:, _QUESTION]),
        "function_words_jaccard": _ratio(shared[:, _FUNCTION], union[:, _FUNCTION], if_empty=1.0),
        "length_ratio": _length_ratio(texts.words.lengths, first, second),
    }
    return np.stack([columns[name] for name in NAMES], axis=1)


def _ratio(part: Floats, whole: Floats, *, if_empty: float = 0.0) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(len(part), if_empty), where=whole > 0)
    return found


def _rarest(sets: sp.csr_array, rarity: Floats) -> Floats:
    """The highest rarity in each row of a matrix of zeros and ones, 0 for an empty row."""
    weighted = sp.csr_array((sets.data * rarity[sets.indices], sets.indices, sets.indptr), shape=sets.shape)
    return np.asarray(weighted.max(axis=1).toarray(), dtype=np.float64).ravel() if sets.shape[1] else np.zeros(sets.shape[0])


def _common(matrix: sp.csr_array, sums: Floats, first: Rows, second: Rows) -> tuple[Floats, Floats, Floats]:
    """Of each pair of rows the sums of their minimum, of the smaller row, and of their maximum (Ruzicka 1958)."""
    shared = _sums(matrix[first].minimum(matrix[second]))
    of_a, of_b = sums.take(first), sums.take(second)
    return shared, np.minimum(of_a, of_b), of_a + of_b - shared


def _sums(matrix: sp.csr_array) -> Floats:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()


def _equal_end(in_order: Ragged, first: Rows, second: Rows, *, last: bool) -> NDArray[np.bool_]:
    a, b = in_order.end_of(first, last=last), in_order.end_of(second, last=last)
    return np.asarray((a == b) & (a >= 0))


def _length_ratio(lengths: NDArray[np.int64], first: Rows, second: Rows) -> Floats:
    a, b = lengths[first], lengths[second]
    return _ratio(np.minimum(a, b).astype(np.float64), np.maximum(a, b).astype(np.float64))


def _order(in_order: Ragged, first: Rows, second: Rows) -> Floats:
    """2 L / (words of both), with L the longest common subsequence of the first 48 words.

    The table of Wagner and Fischer (1974) has one row per word of `b`. Along a row the length grows by 0 or 1 per word of `a`,
    so a row is one bit per word, here 0 where it grows (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"). The carry
    of one integer addition moves each growth as far as the dynamic programme would, and numpy does it for all pairs at once.
    """
    of_a, of_b = (np.minimum(in_order.lengths[rows], _ORDERED) for rows in (first, second))
    a, b = in_order.padded(first, int(of_a.max(initial=0)), -1), in_order.padded(second, int(of_b.max(initial=0)), -2)
    grows = np.full(len(first), -1, np.int64)
    for word in b.T:
        met = _bits(a == word[:, None])
        grows = (grows + (grows & met)) | (grows & ~met)
    return _ratio(2.0 * np.bitwise_count(~grows), (of_a + of_b).astype(np.float64))


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pack each row of up to 64 flags into an integer, the first flag into its lowest bit."""
    found = np.zeros((len(flags), 8), np.uint8)
    packed = np.packbits(flags, axis=1, bitorder="little")
    found[:, : packed.shape[1]] = packed
    return found.view("<i8").ravel()
