"""How well two different words stand for each other: slips of the keyboard, inflections, abbreviations.

The strengths are shares of a match, set by hand so that a likely slip counts almost as the same word; the score that is fitted
on top of them decides what they are worth.
"""

from functools import lru_cache

from dlcli.core.text.scoring.one_of_few import differ_in_kind, same_member
from dlcli.core.text.scoring.slips import slip_strength
from dlcli.core.text.scoring.word_lists import NUMBER_WORDS, are_opposite
from dlcli.core.text.tokens import IDEOGRAPH

MATCHED = 0.6
"""From this strength on a word counts as matched."""
_NUMBER_WORD, _INFLECTED, _SAME_STEM, _SKELETON, _ABBREVIATED, _PART, _SAME_MEMBER = 0.95, 0.9, 0.75, 0.8, 0.7, 0.45, 0.95
_LONGEST_SKELETON = 5
_STEM = 4
_STEM_SHARE = 0.65
_ENDINGS = frozenset(
    "s es e n en ns em er ers ern r rs d ed t y ies ing ings ion ions al ally ly ic ics ist ists ity ful ness ment ments a o x "
    "ne nes".split()
)
"""Endings of inflections and derivations in English, German, French and Spanish."""
_VOWELS = frozenset("aeiou")
_CACHED = 1 << 20


@lru_cache(maxsize=_CACHED)
def similarity(a: str, b: str, slip_share: float) -> float:
    """The strength of the match of two different words, in [0, 1]; symmetric.

    Words with digits never match by likeness: `2023` is not a slip for `2024`. Neither do opposites, nor two units or colours.

    Args:
        a: A word.
        b: Another one.
        slip_share: The share of its strength that a slip has, in [0, 1]. Of two known words, as `desert` and `dessert`, one is
            hardly a slip for the other, unless letters are swapped or both mean the same, as `colour` and `color`.

    Returns:
        The strength.
    """
    if has_digit(a) or has_digit(b):
        return _NUMBER_WORD if NUMBER_WORDS.get(a) == b or NUMBER_WORDS.get(b) == a else 0.0
    if IDEOGRAPH.match(a) or IDEOGRAPH.match(b) or are_opposite(a, b) or differ_in_kind(a, b):
        return 0.0
    if same_member(a, b):
        return _SAME_MEMBER
    shorter, longer = sorted((a, b), key=lambda word: (len(word), word))
    slip = slip_strength(shorter, longer)
    if sorted(a) != sorted(b):
        slip *= slip_share
    return max(slip, _inflection(shorter, longer), _abbreviation(shorter, longer))


def has_digit(word: str) -> bool:
    """Whether a word has a digit."""
    return any(map(str.isdigit, word))


def _inflection(shorter: str, longer: str) -> float:
    if len(shorter) < _STEM:
        return 0.0
    if longer.startswith(shorter) and longer[len(shorter) :] in _ENDINGS:
        return _INFLECTED
    if longer.endswith(shorter):  # website for site, but also thesis for hypothesis
        return _PART
    same = next((k for k, char in enumerate(shorter) if char != longer[k]), len(shorter))
    return _SAME_STEM if same >= max(_STEM, _STEM_SHARE * len(longer)) else 0.0


def _abbreviation(shorter: str, longer: str) -> float:
    if shorter[0] != longer[0] or len(longer) < len(shorter) + 2 or len(shorter) < 2:
        return 0.0
    if len(shorter) > 2 and longer.startswith(shorter):
        # Words are cut between a consonant and a vowel: corp, dev, calif.
        return _ABBREVIATED if shorter[-1] not in _VOWELS and longer[len(shorter)] in _VOWELS else _PART
    if is_skeleton(shorter) and shorter[-1] == longer[-1] and _is_subsequence(shorter, longer):  # blvd, st, ltd
        return _SKELETON
    return 0.0


def is_skeleton(word: str) -> bool:
    """Whether a word may be the consonants of a longer one: at most five letters, and no vowel after the first."""
    return len(word) <= _LONGEST_SKELETON and not _VOWELS & set(word[1:])


def _is_subsequence(shorter: str, longer: str) -> bool:
    rest = iter(longer)
    return all(char in rest for char in shorter)
