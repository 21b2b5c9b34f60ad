"""Why two texts count as duplicates, or not: the words that differ, the words they share, and of what kind the match is."""

from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.scoring.features import FUNCTION_WORDS, Rows, TokenizedTexts
from dlcli.core.text.tokens import words_of_run

KINDS = ("exact", "folded", "lexical", "semantic")
"""How two texts match: equal to the letter; equal after folding; largely in the same words; or in meaning only."""

LEXICAL = 0.5
"""From this `trigram_overlap` on a match is lexical: at least half of what the two texts say is in letters that they share."""

_SHOWN = 4


def match_kinds(same_text: NDArray[np.bool_], same_key: NDArray[np.bool_], trigram_overlap: NDArray[np.floating]) -> list[str]:
    """For each pair one of `KINDS`; all (pairs,): are the texts equal, are their keys, and the feature `trigram_overlap`."""
    alike = trigram_overlap >= LEXICAL
    return np.select([same_text, same_key, alike], KINDS[:3], default=KINDS[3]).tolist()


def explain(text_a: str, text_b: str) -> str:
    """The words that only one text has and those that both have, each in its order: `2023 / 2024; same: learn, python`.

    At most four of a kind are shown, numbers before other words and little words (the, of, is) last; `+3` counts the rest.
    """
    a, b = (chain.from_iterable(map(words_of_run, text.split())) for text in (text_a, text_b))
    return _said(dict.fromkeys(a), dict.fromkeys(b))


def explain_pairs(texts: TokenizedTexts, first: Rows, second: Rows) -> list[str]:
    """`explain` for pairs of texts by their numbers, (pairs,); it takes half the time, since they have been read."""
    flat, ends = texts.words.flat.tolist(), texts.words.ends.tolist()

    def words(text: int) -> _Words:
        return dict.fromkeys(map(texts.vocabulary.__getitem__, flat[ends[text] : ends[text + 1]]))

    return [_said(words(a), words(b)) for a, b in zip(first.tolist(), second.tolist(), strict=True)]


_Words = dict[str, None]
"""Distinct words in their order; a dictionary, so that looking one up does not depend on how many there are."""


def _said(a: _Words, b: _Words) -> str:
    only_a, only_b = _few([word for word in a if word not in b]), _few([word for word in b if word not in a])
    differing = f"{only_a or '-'} / {only_b or '-'}" if only_a or only_b else "no word differs"
    shared = _few([word for word in a if word in b])
    return f"{differing}; {f'same: {shared}' if shared else 'no word in common'}"


def _few(every: list[str]) -> str:
    if len(every) <= _SHOWN:
        return ", ".join(every)
    chosen = sorted(every, key=_place)[:_SHOWN]
    shown = [word for word in every if word in chosen]
    return ", ".join([*shown, f"+{len(every) - _SHOWN}"])


@lru_cache(maxsize=1 << 18)
def _place(word: str) -> int:
    return 0 if any(map(str.isdigit, word)) else 2 if word in FUNCTION_WORDS else 1
