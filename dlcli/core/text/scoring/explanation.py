"""Explain a score: the words in which two texts differ, the words they share, and the kind of match."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.ragged import Ragged
from dlcli.core.text.scoring.arrays import Rows
from dlcli.core.text.scoring.tokenized_texts import Kind, TokenizedTexts
from dlcli.core.text.scoring.word_forms import forms_of_run, without_markup
from dlcli.core.text.scoring.word_lists import FUNCTION_WORDS

KINDS = ("exact", "folded", "masked", "lexical", "semantic")
"""The texts are identical; equal after folding; equal once masked; mostly of the same words; or similar in meaning only."""

LEXICAL = 0.5
"""A match is lexical from this `trigram_overlap` on: at least half of the weighted trigrams of both texts are shared."""

_SHOWN = 4
_PADDED = 1 << 17
"""Words of one side that are compared at a time."""


def match_kinds(
    same_text: NDArray[np.bool_],
    same_key: NDArray[np.bool_],
    same_masked: NDArray[np.bool_],
    trigram_overlap: NDArray[np.floating],
) -> list[str]:
    """The kind of match of each pair, one of `KINDS`.

    Args:
        same_text: Whether the texts are identical, (pairs,).
        same_key: Whether they are equal after folding.
        same_masked: Whether they are equal after masking and folding.
        trigram_overlap: The feature of that name.

    Returns:
        The kinds.
    """
    lexical = trigram_overlap >= LEXICAL
    kinds: list[str] = np.select([same_text, same_key, same_masked, lexical], KINDS[:4], default=KINDS[4]).tolist()
    return kinds


def explain(text_a: str, text_b: str) -> str:
    """The words that only one text has, and those that both have, in order: `2023 / 2024; same: learn, python`.

    At most four of each are shown, preferring numbers, then content words, then function words (the, of, is); `+3` counts the
    rest.
    """
    a, b = ([*chain.from_iterable(map(forms_of_run, without_markup(text).split()))] for text in (text_a, text_b))
    vocabulary = list(dict.fromkeys([*a, *b]))
    numbers = {word: number for number, word in enumerate(vocabulary)}
    places = [*map(_place, vocabulary)]
    in_a, in_b = (dict.fromkeys(map(numbers.__getitem__, words)) for words in (a, b))
    return _sentence(in_a, in_b, vocabulary, places)


def explain_pairs(texts: TokenizedTexts, first: Rows, second: Rows) -> list[str]:
    """`explain` for the pairs `first[k]`, `second[k]` of tokenized texts, many at once."""
    words = texts.words.without_repeats()
    places = np.where(texts.kinds[:, Kind.NUMBER] > 0, 0, np.where(texts.kinds[:, Kind.FUNCTION] > 0, 2, 1))
    order = np.argsort(-np.maximum(words.lengths[first], words.lengths[second]), kind="stable")
    found: list[str] = [""] * len(order)
    start = 0
    while start < len(order):  # pairs of similar length, which are padded to the longest one
        longest = max(words.lengths[first[order[start]]], words.lengths[second[order[start]]], 1)
        some = order[start : start + max(1, _PADDED // int(longest))]
        sentences = _sentences(words, first[some], second[some], texts.vocabulary, places)
        for pair, sentence in zip(some.tolist(), sentences, strict=True):
            found[pair] = sentence
        start += len(some)
    return found


def _sentences(words: Ragged, first: Rows, second: Rows, vocabulary: list[str], places: Rows) -> Iterator[str]:
    """The sentence of `explain` on each pair; no text has a word twice in `words`."""
    a, b = (words.padded(rows, int(words.lengths[rows].max()), -1) for rows in (first, second))
    in_b, in_a = np.zeros(a.shape, bool), np.zeros(b.shape, bool)
    for place, word in enumerate(b.T):
        met = (a == word[:, None]) & (a >= 0)
        in_b |= met
        in_a[:, place] = met.any(axis=1)
    parts = ((a, ~in_b & (a >= 0)), (b, ~in_a & (b >= 0)), (a, in_b))
    only_a, only_b, shared = (_shown(side, wanted, vocabulary, places) for side, wanted in parts)
    same_order = (a[:, : b.shape[1]] == b[:, : a.shape[1]]).all(axis=1).tolist()
    for one, other, both, same in zip(only_a, only_b, shared, same_order, strict=True):
        if one or other:
            differing = f"{one or '-'} / {other or '-'}"
        else:
            differing = "no word differs" if same else "the order differs"
        yield f"{differing}; same: {both}" if both else f"{differing}; no word in common"


def _shown(words: Rows, wanted: NDArray[np.bool_], vocabulary: list[str], places: Rows) -> list[str]:
    """The wanted words of each row, (rows, width), as `_few` shows them, "" if there are none."""
    count = wanted.sum(axis=1)
    many = np.flatnonzero(count > _SHOWN)
    width = words.shape[1]
    rank = np.where(wanted[many], places[words[many]] * width + np.arange(width), 3 * width)
    kept = wanted.copy()
    kept[many] = rank <= np.sort(rank, axis=1)[:, [_SHOWN - 1]] if len(many) else False
    strings = [*map(vocabulary.__getitem__, words[kept].tolist())]
    ends = np.cumsum(np.minimum(count, _SHOWN)).tolist()
    found = [", ".join(strings[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    for row, more in zip(many.tolist(), (count[many] - _SHOWN).tolist(), strict=True):
        found[row] += f", +{more}"
    return found


_Words = dict[int, None]
"""The numbers of distinct words in order, as the keys of a dictionary, so that a look-up takes constant time."""


def _sentence(a: _Words, b: _Words, vocabulary: list[str], places: list[int]) -> str:
    """The sentence of `explain` on two texts; `places` are those of the words of the vocabulary."""
    only_a, only_b = [word for word in a if word not in b], [word for word in b if word not in a]
    shared = [word for word in a if word in b]
    if only_a or only_b:
        parts = (_few(part, vocabulary, places) or "-" for part in (only_a, only_b))
        differing = " / ".join(parts)
    else:
        differing = "no word differs" if list(a) == list(b) else "the order differs"
    return f"{differing}; {f'same: {_few(shared, vocabulary, places)}' if shared else 'no word in common'}"


def _few(every: list[int], vocabulary: list[str], places: list[int]) -> str:
    if len(every) <= _SHOWN:
        return ", ".join(map(vocabulary.__getitem__, every))
    chosen = sorted(every, key=places.__getitem__)[:_SHOWN]
    shown = [vocabulary[word] for word in every if word in chosen]
    return ", ".join([*shown, f"+{len(every) - _SHOWN}"])


def _place(word: str) -> int:
    """Where a word comes among those to show: numbers first, function words last."""
    return 0 if any(map(str.isdigit, word)) else 2 if word in FUNCTION_WORDS else 1
