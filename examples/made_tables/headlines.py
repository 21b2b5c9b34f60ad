"""Headlines and sentences of news: one event in the words of several outlets, beside other events of the same kind."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from .edits import capitalize_first
from .phrasebooks import split_families
from .wordings import Wordings


class NewsWords(NamedTuple):
    """What fills the wordings of an event."""

    first: list[str]
    last: list[str]
    titles: list[str]
    places: list[str]
    firms: list[str]
    bodies: list[str]
    things: list[str]
    teams: list[str]
    products: list[str]
    factors: list[str]
    illnesses: list[str]
    prizes: list[str]
    days: list[str]


_LISTS = tomllib.loads(Path(__file__).with_name("headlines.toml").read_text(encoding="utf-8"))["headlines"]
_EVENTS = split_families(_LISTS.pop("events"))
_WORDS = NewsWords(**_LISTS)
Filler = dict[str, str]
"""The values of one event by the letters of its wordings."""


def headlines(rng: Random, n: int) -> Iterator[list[str]]:
    """Reports of n events of 8 kinds or more; about half of them have siblings: another place, score, number or person."""
    wordings = Wordings(rng, "news")
    kinds = [kind for family in _EVENTS for kind in family]
    kinds = rng.sample(kinds, min(len(kinds), max(n // 15, rng.choice((8, 20, len(kinds))))))
    seen: set[str] = set()
    while len(seen) < n:
        kind = rng.choice(kinds)
        first = _draw_values(rng)
        siblings = [_sibling(rng, first, kind) for _ in range(rng.choice((0, 0, 1, 1, 2)))]
        for values in (first, *siblings):
            key = _report(rng, kind[0], values, exact=True)
            if len(seen) < n and key not in seen:
                seen.add(key)
                yield list(dict.fromkeys(wordings.draw([_report(rng, form, values) for form in kind])))


def _draw_values(rng: Random) -> Filler:
    places, firms, teams = (rng.sample(words, 2) for words in (_WORDS.places, _WORDS.firms, _WORDS.teams))
    won = rng.randint(1, 5)
    lost, drawn = rng.randrange(won), rng.randrange(4)
    return {
        "p": f"{rng.choice(_WORDS.first)} {rng.choice(_WORDS.last)}",
        "q": f"{rng.choice(_WORDS.first)} {rng.choice(_WORDS.last)}",
        "c": places[0],
        "o": firms[0],
        "o2": firms[1],
        "t": teams[0],
        "t2": teams[1],
        "u": rng.choice(_WORDS.bodies),
        "k": rng.choice(_WORDS.things),
        "n": str(rng.choice((rng.randint(11, 99), rng.randint(100, 999), rng.randint(1_000, 9_999)))),
        "g": f"{rng.randint(45, 82) / 10:.1f}",
        "s": f"{won}-{lost}",
        "d": f"{drawn}-{drawn}",
        "m": f"{rng.randint(2, 95)} million",
        "e": f"{rng.randint(5, 180) / 10:g}",
        "y": str(rng.randint(2, 14)),
        "a": str(rng.randint(58, 99)),
        "w": rng.choice(_WORDS.days),
        "h": rng.choice(_WORDS.products),
        "f": rng.choice(_WORDS.factors),
        "d2": rng.choice(_WORDS.illnesses),
        "b": rng.choice(_WORDS.prizes),
    }


def _sibling(rng: Random, values: Filler, kind: list[str]) -> Filler:
    """Another event of the kind, which differs in one of the values of all wordings."""
    letters = [letter for letter in values if all(f"{{{letter}}}" in form or f"{{{letter.upper()}}}" in form for form in kind)]
    letter = rng.choice(letters)
    return values | {letter: _draw_values(rng)[letter], "w": rng.choice(_WORDS.days)}


def _report(rng: Random, form: str, values: Filler, *, exact: bool = False) -> str:
    """A wording with the values as one outlet writes them: rounded numbers, people with titles or the last name alone."""
    if exact:
        return form.format(**values, N=values["n"])
    millions = rng.choice((" million", "m", "mn"))
    written = values | {
        "p": _person(rng, values["p"]),
        "q": _person(rng, values["q"]),
        "n": _with_comma(values["n"]),
        "N": _rounded(rng, int(values["n"])),
        "e": values["e"] + rng.choice(("%", "%", " percent", " per cent")),
        "m": rng.choice(("${}", "{} dollars", "${}", "US${}")).format(values["m"].replace(" million", millions)),
        "s": values["s"].replace("-", rng.choice(("-", "-", ":", " to "))),
    }
    return capitalize_first(form.format(**written))


def _person(rng: Random, name: str) -> str:
    first, last = name.split()
    return rng.choice((name, name, name, last, last, f"{first[0]}. {last}", f"{rng.choice(_WORDS.titles)} {last}"))


def _with_comma(number: str) -> str:
    return f"{int(number):,}"


def _rounded(rng: Random, number: int) -> str:
    """The number as it is, or rounded down with a word that says so."""
    step = 10 ** (len(str(number)) - 1) // (2 if number > 99 else 1)
    down = number // step * step
    words = ("more than", "over", "at least", "some") if down < number else ("about", "some", "as many as")
    return f"{number:,}" if rng.random() < 0.3 else f"{rng.choice(words)} {down:,}"
