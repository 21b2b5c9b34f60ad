"""Large groups: the texts of some entities in many more forms, as many sources and many hands write them."""

from collections import defaultdict
from collections.abc import Sequence
from math import exp, log
from random import Random

from .edits import add_typos, change_case

_SHARES = (0.1, 0.3, 0.6)
_MOST_CHANGES = (1, 2, 4, 8)
_SMALLEST, _LARGEST = 3, 40
_MOST = 800
"""Most texts that are added to a table."""
_LONG_WORD = 5


def grow_groups(rng: Random, texts: Sequence[str], groups: Sequence[int]) -> tuple[list[str], list[int]]:
    """Write the texts of some groups again and again, each time changed in some places.

    Args:
        rng: Draws which groups grow, to 3 to 40 texts each, and how much the texts of this table change: in one place at the
            most, or up to eight.
        texts: The texts of a table.
        groups: The number of the group of each.

    Returns:
        The texts, in random order, and the number of the group of each.

    """
    of_group: defaultdict[int, list[str]] = defaultdict(list)
    for text, group in zip(texts, groups, strict=True):
        of_group[group].append(text)
    pool = [word for text in texts for word in text.split()]
    owner = dict(zip(texts, groups, strict=True))
    share, changes, most = rng.choice(_SHARES), rng.choice(_MOST_CHANGES), len(owner) + _MOST
    for group, own in of_group.items():
        if rng.random() < share:
            size = round(exp(rng.uniform(log(_SMALLEST), log(_LARGEST))))
            for _ in range(min(size, most - len(owner))):
                # A text that two groups have would belong to both.
                owner.setdefault(_changed(rng, rng.choice(own), pool, rng.randint(1, changes)), group)
    rows = list(owner.items())
    rng.shuffle(rows)
    return [text for text, _ in rows], [group for _, group in rows]


def _changed(rng: Random, text: str, pool: Sequence[str], times: int) -> str:
    words = text.split()
    for _ in range(times):
        words = rng.choice(_CHANGES)(rng, words, pool)
    return change_case(rng, " ".join(words))


def _drop(rng: Random, words: list[str], _: Sequence[str]) -> list[str]:
    """Without one of the words, of which no number is dropped."""
    some = [k for k, word in enumerate(words) if not any(map(str.isdigit, word))]
    place = rng.choice(some) if some and len(words) > 2 else -1
    return [word for k, word in enumerate(words) if k != place]


def _move(rng: Random, words: list[str], _: Sequence[str]) -> list[str]:
    """With one word in another place."""
    rest = list(words)
    rest.insert(rng.randrange(len(words)), rest.pop(rng.randrange(len(words))))
    return rest


def _abbreviate(rng: Random, words: list[str], _: Sequence[str]) -> list[str]:
    """With one long word cut to its first letters."""
    place = rng.randrange(len(words))
    word = words[place]
    if len(word) < _LONG_WORD or not word.isalpha():
        return words
    return [*words[:place], word[: rng.choice((1, 3, 4))] + rng.choice((".", "")), *words[place + 1 :]]


def _add(rng: Random, words: list[str], pool: Sequence[str]) -> list[str]:
    """With a word of the table before or behind."""
    word = rng.choice(pool)
    if any(map(str.isdigit, word)):
        return words
    return [word, *words] if rng.random() < 1 / 3 else [*words, word]


def _mistype(rng: Random, words: list[str], _: Sequence[str]) -> list[str]:
    return add_typos(rng, " ".join(words)).split()


def _join(rng: Random, words: list[str], _: Sequence[str]) -> list[str]:
    """With a hyphen, a comma or nothing between two words."""
    if len(words) < 2:
        return words
    place = rng.randrange(len(words) - 1)
    mark = rng.choice(("-", "", ", "))
    return [*words[:place], f"{words[place]}{mark}{words[place + 1]}", *words[place + 2 :]]


_CHANGES = (_drop, _drop, _move, _abbreviate, _add, _add, _mistype, _join)
