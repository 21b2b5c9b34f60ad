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

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.ragged import Ragged
from dlcli.core.text.scoring.alignment import Alignment, align, credit_digits
from dlcli.core.text.scoring.arrays import Floats, Rows, ratio, row_sums, unit_rows
from dlcli.core.text.scoring.codes import missing_codes
from dlcli.core.text.scoring.similar_words import MATCHED
from dlcli.core.text.scoring.tokenized_texts import Kind, TokenizedTexts
from dlcli.core.text.scoring.word_order import ORDERED, equal_end, exchanged, length_ratio, word_order

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
    ("aside_in_both", "1 if both texts have unmatched words in brackets"),
    ("implied", "1 if a word of one text is put together from words of the other: website, IBM"),
    # Numbers and names
    ("numbers_shared", "ln(1 + words with a digit that both have)"),
    ("numbers_differing", "ln(1 + unmatched words with a digit)"),
    ("numbers_swapped", "ln(1 + unmatched words with a digit, in the text where those are fewer), at least codes_swapped"),
    ("codes_differing", "ln(1 + runs of several words with a number, as LC-40LE or 2024-01-02, that the other text has not)"),
    ("codes_swapped", "ln(1 + such runs, in the text where those are fewer)"),
    ("codes_share", "share of the rarity of a text that is in such runs, in the text where it is lower; at most 1"),
    ("names_shared", "ln(1 + words capitalised within one text that the other has)"),
    ("names_differing", "ln(1 + words capitalised within one text that the other has not)"),
    ("names_swapped", "the same as numbers_swapped, for words capitalised within one text"),
    # Meaning
    ("vector_cosine", "cosine of the mean word vectors, weighted by rarity; missing if less than a third is known"),
    ("unmatched_cosine", "the same for unmatched words only; missing if a text has no known one"),
    ("known_share", "share of the rarity of known words, in the text where that is lower"),
    # Form of the sentence
    ("negation_differs", "1 if a negation (not, never, without ...) is in only one text"),
    (
        "opposite",
        "1 if a word of one text is the opposite of one of the other, or another unit, colour, numeral or sign",
    ),
    ("question_words_jaccard", "Jaccard index of question words (what, how, can ...); 1 if neither text has any"),
    ("question_words_differing", "ln(1 + question words that only one text has)"),
    ("function_words_jaccard", "Jaccard index of function words (the, of, is ...); 1 if neither text has any"),
    ("length_ratio", "words of the shorter text over those of the longer"),
    ("length", "ln(1 + words of the shorter text)"),
)
"""Name and meaning of each column of `pair_features`. Ratios are in [0, 1], and 0 for a text without words unless stated."""

NAMES = tuple(name for name, _ in FEATURES)

_BLOCK = 1 << 13
_DECIMALS = 5
_FEW_KNOWN = 1 / 3


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
        found[block] = ratio(shared, union)
    return found


def least_trigram_overlap(texts: TokenizedTexts, first: Rows, second: Rows) -> NDArray[np.float32]:
    """A lower bound of `trigram_overlap`, (pairs,), to 1e-6: a shared word has all of its trigrams in both texts."""
    found = np.empty(len(first), np.float32)
    for start in range(0, len(first), _BLOCK):
        block = slice(start, start + _BLOCK)
        both = texts.sets[first[block]].multiply(texts.sets[second[block]])
        shared = np.asarray(both @ texts.rarity)
        of_a, of_b = (texts.sums[rows[block], Kind.RARITY] for rows in (first, second))
        found[block] = ratio(shared, of_a + of_b - shared)
    return found


def _block(texts: TokenizedTexts, first: Rows, second: Rows) -> NDArray[np.float32]:
    # Almost all follows from what a pair shares in words, trigrams, bigrams and names, one sparse product each: sums of what
    # only one text has are its own sums, computed once per text, less the shared ones.
    a, b = texts.sets[first], texts.sets[second]
    both = sp.csr_array(a.multiply(b))
    shared = np.asarray(both @ texts.kinds)
    of_a, of_b = texts.sums.take(first, axis=0), texts.sums.take(second, axis=0)
    less, left = np.minimum(of_a, of_b), of_a + of_b - 2 * shared
    union = left + shared
    joined = texts.digits.same_when_joined(first, second)
    columns = {
        "word_cosine": ratio(shared[:, Kind.SQUARE], np.sqrt(of_a[:, Kind.SQUARE] * of_b[:, Kind.SQUARE])),
        "word_containment": ratio(shared[:, Kind.ONE], less[:, Kind.ONE]),
        "weight_containment": ratio(shared[:, Kind.RARITY], less[:, Kind.RARITY]),
        "rarest_shared": _rarest(both, texts.rarity),
        "numbers_shared": np.log1p(shared[:, Kind.NUMBER]),
        "negation_differs": (of_a[:, Kind.NEGATION] > 0) != (of_b[:, Kind.NEGATION] > 0),
        "question_words_jaccard": ratio(shared[:, Kind.QUESTION], union[:, Kind.QUESTION], if_empty=1.0),
        "question_words_differing": np.log1p(left[:, Kind.QUESTION]),
        "function_words_jaccard": ratio(shared[:, Kind.FUNCTION], union[:, Kind.FUNCTION], if_empty=1.0),
        **_of_ngrams(texts, first, second),
        **_of_order(texts.words, first, second, texts.neutral),
        **_of_codes(texts, (of_a, of_b), first, second, joined),
        **_of_names(texts, a, b, first, second),
        **_of_leftover(texts, (sp.csr_array(a - both), sp.csr_array(b - both)), (of_a, of_b), (first, second), joined),
        **_of_vectors(texts, first, second),
    }
    # The same numbers in another order are another date or address: 2024-01-02 and 2024-02-01.
    columns["numbers_swapped"] = np.maximum(columns["numbers_swapped"], columns["codes_swapped"])
    # Rounded, since sums in another order must not fall on the other side of a split of a tree.
    found: NDArray[np.float32] = np.stack([columns[name] for name in NAMES], axis=1).astype(np.float32)
    return found.round(_DECIMALS)


_Columns = dict[str, NDArray[np.generic]]


def _of_ngrams(texts: TokenizedTexts, first: Rows, second: Rows) -> _Columns:
    grams, gram_less, gram_union = _common(texts.trigrams, texts.in_trigrams, first, second)
    pairs, _, pair_union = _common(texts.bigrams, texts.in_bigrams, first, second)
    return {
        "trigram_overlap": ratio(grams, gram_union),
        "trigram_containment": ratio(grams, gram_less),
        "bigram_jaccard": ratio(pairs, pair_union, if_empty=1.0),
    }


def _of_order(words: Ragged, first: Rows, second: Rows, neutral: frozenset[int]) -> _Columns:
    in_order, in_any_order = word_order(words, first, second)
    return {
        "word_order": in_order,
        "words_moved": in_any_order - in_order,
        "exchanged": exchanged(
            words, first, second, _may_be_exchanged(words, first, second, (in_order, in_any_order)), neutral
        ),
        "first_equal": equal_end(words, first, second, last=False),
        "last_equal": equal_end(words, first, second, last=True),
        "length_ratio": length_ratio(words.lengths, first, second),
        "length": np.log1p(np.minimum(words.lengths[first], words.lengths[second])),
    }


def _may_be_exchanged(words: Ragged, first: Rows, second: Rows, common: tuple[Floats, Floats]) -> NDArray[np.bool_]:
    """Whether shared words are in another order, and not because of one word alone that has moved.

    Two parts around a third that change places leave one of the three in order, so two words or more have moved. Where a text
    has a word twice, the third part may lend one of the others a word.
    """
    in_order, in_any_order = common
    moved = (in_any_order - in_order) * (words.lengths[first].clip(max=ORDERED) + words.lengths[second].clip(max=ORDERED)) / 2
    return np.asarray((moved > 1.5) | ((moved > 0.5) & (words.repeats[first] | words.repeats[second])))


def _of_codes(
    texts: TokenizedTexts, sums: tuple[Floats, Floats], first: Rows, second: Rows, joined: NDArray[np.bool_]
) -> _Columns:
    pairs = (first, second), (second, first)
    left = [missing_codes(texts.codes, texts.words, texts.vocabulary, texts.rarity, *rows) for rows in pairs]
    number = [np.where(joined, 0, side.number) for side in left]
    share = [np.where(joined, 0, ratio(side.rarity, of[:, Kind.RARITY])) for side, of in zip(left, sums, strict=True)]
    return {
        "codes_differing": np.log1p(number[0] + number[1]),
        "codes_swapped": np.log1p(np.minimum(*number)),
        "codes_share": np.minimum(*share).clip(max=1.0),
    }


def _of_names(texts: TokenizedTexts, a: sp.csr_array, b: sp.csr_array, first: Rows, second: Rows) -> _Columns:
    in_a, in_b = row_sums(texts.names[second].multiply(a)), row_sums(texts.names[first].multiply(b))
    left_a, left_b = texts.in_names.take(first) - in_b, texts.in_names.take(second) - in_a
    return {
        "names_shared": np.log1p(np.maximum(in_a, in_b)),
        "names_differing": np.log1p(left_a + left_b),
        "names_swapped": np.log1p(np.minimum(left_a, left_b)),
    }


def _of_leftover(
    texts: TokenizedTexts,
    left: tuple[sp.csr_array, sp.csr_array],
    sums: tuple[Floats, Floats],
    rows: tuple[Rows, Rows],
    joined: NDArray[np.bool_],
) -> _Columns:
    for side in left:
        side.eliminate_zeros()
    found = align(left, texts.shapes, texts.implied, texts.words, rows)
    credit_digits(found, texts.digits.of_word, joined)
    lost = [_filled(left[k], texts.rarity[left[k].indices] * (1 - found.strength[k])) for k in (0, 1)]
    weight = [row_sums(side) for side in lost]
    matched = [1 - ratio(weight[k], sums[k][:, Kind.RARITY]) for k in (0, 1)]
    aside = [row_sums(lost[k].multiply(texts.asides[rows[k]])) for k in (0, 1)]
    unmatched = [_unmatched(found, k) for k in (0, 1)]
    rarest = [_rarest(side, texts.rarity) for side in unmatched]
    numbers = [np.asarray(side @ texts.kinds[:, Kind.NUMBER]) for side in unmatched]
    return {
        "matched_high": np.maximum(*matched),
        "matched_low": np.minimum(*matched),
        "unmatched_high": np.log1p(np.maximum(*weight).clip(0)),
        "unmatched_low": np.log1p(np.minimum(*weight).clip(0)),
        "rarest_unmatched_high": np.maximum(*rarest),
        "rarest_unmatched_low": np.minimum(*rarest),
        "aside": ratio(aside[0] + aside[1], weight[0] + weight[1]),
        "aside_in_both": np.minimum(*aside) > 0,
        "implied": found.implied,
        "numbers_differing": np.log1p(numbers[0] + numbers[1]),
        "numbers_swapped": np.log1p(np.minimum(*numbers)),
        "opposite": found.opposite,
        "unmatched_cosine": _unmatched_cosine(texts, unmatched),
    }


def _of_vectors(texts: TokenizedTexts, first: Rows, second: Rows) -> _Columns:
    known = np.minimum(texts.known_share[first], texts.known_share[second])
    cosine = _cosine(texts.vectors[first], texts.vectors[second])
    return {"vector_cosine": np.where(known >= _FEW_KNOWN, cosine, np.nan), "known_share": known}


def _unmatched_cosine(texts: TokenizedTexts, sides: list[sp.csr_array]) -> Floats:
    """The cosine of the mean vectors of both sides of each pair, NaN where one of them has no known word."""
    both = np.flatnonzero(np.diff(sides[0].indptr) * np.diff(sides[1].indptr))
    found = np.full(sides[0].shape[0], np.nan)
    found[both] = _cosine(*(unit_rows(side[both].astype(np.float32) @ texts.weighted_meanings) for side in sides))
    return found


def _unmatched(found: Alignment, side: int) -> sp.csr_array:
    """The leftover words of one side that no word of the other matches, (pairs, vocabulary)."""
    kept = found.strength[side] < MATCHED
    matrix = found.left[side]
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], ends), shape=matrix.shape)


def _filled(matrix: sp.csr_array, entries: Floats) -> sp.csr_array:
    """A matrix with other entries at the same places."""
    return sp.csr_array((entries, matrix.indices, matrix.indptr), shape=matrix.shape)


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> Floats:
    """The cosine of unit rows, NaN where one of them is zero."""
    known = a.any(axis=1) & b.any(axis=1)
    return np.where(known, np.einsum("ij,ij->i", a, b, dtype=np.float64), np.nan)


def _rarest(sets: sp.csr_array, rarity: Floats) -> Floats:
    """The highest rarity in each row of a matrix of zeros and ones, 0 for an empty row."""
    weighted = _filled(sets, sets.data * rarity[sets.indices])
    return np.asarray(weighted.max(axis=1).toarray(), dtype=np.float64).ravel() if sets.shape[1] else np.zeros(sets.shape[0])


def _common(matrix: sp.csr_array, sums: Floats, first: Rows, second: Rows) -> tuple[Floats, Floats, Floats]:
    """Of each pair of rows the sums of their minimum, of the smaller row, and of their maximum (Ruzicka 1958)."""
    shared = row_sums(matrix[first].minimum(matrix[second]))
    of_a, of_b = sums.take(first), sums.take(second)
    return shared, np.minimum(of_a, of_b), of_a + of_b - shared
