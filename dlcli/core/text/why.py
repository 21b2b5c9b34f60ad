"""Why two texts count as duplicates, or not: the words that differ, the words they share, and of what kind the match is."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.features import FUNCTION_WORDS, NAMES
from dlcli.core.text.tokens import fold, words

KINDS = ("exact", "folded", "lexical", "semantic")
"""How two texts match: equal to the letter; equal after folding; largely in the same words; or in meaning only."""

LEXICAL = 0.5
"""From this `trigram_overlap` on a match is lexical: at least half of what the two texts say is in letters that they share."""

_SHOWN = 4


def match_kind(text_a: str, text_b: str, trigram_overlap: float) -> str:
    """One of `KINDS` for two texts as they stand and their feature `trigram_overlap`, in [0, 1]."""
    if text_a == text_b:
        return "exact"
    if fold(text_a) == fold(text_b):
        return "folded"
    return "lexical" if trigram_overlap >= LEXICAL else "semantic"


def match_kinds(pairs: Sequence[tuple[str, str]], features: NDArray[np.floating]) -> list[str]:
    """`match_kind` of many pairs with their features (pairs, k)."""
    overlaps = features[:, NAMES.index("trigram_overlap")]
    return [match_kind(a, b, float(overlap)) for (a, b), overlap in zip(pairs, overlaps, strict=True)]


def why(text_a: str, text_b: str) -> str:
    """The words that only one text has and those that both have, each in its order: `2023 / 2024; same: learn, python`.

    At most four of a kind are shown, numbers before other words and little words (the, of, is) last; `+3` counts the rest.
    """
    a, b = _words_of(text_a), _words_of(text_b)
    only_a, only_b = _few(word for word in a if word not in b), _few(word for word in b if word not in a)
    differing = f"{only_a or '-'} / {only_b or '-'}" if only_a or only_b else "no word differs"
    shared = _few(word for word in a if word in b)
    return f"{differing}; {f'same: {shared}' if shared else 'no word in common'}"


def _words_of(text: str) -> dict[str, None]:
    """The distinct words in their order; a dictionary, so that looking one up does not depend on how many there are."""
    return dict.fromkeys(word for piece in fold(text).split() for word in words(piece))


def _few(found: Iterable[str]) -> str:
    every = list(found)
    chosen = sorted(every, key=_place)[:_SHOWN]
    shown = [word for word in every if word in chosen]
    return ", ".join([*shown, *([f"+{len(every) - _SHOWN}"] if len(every) > _SHOWN else [])])


def _place(word: str) -> int:
    return 0 if any(map(str.isdigit, word)) else 2 if word in FUNCTION_WORDS else 1
