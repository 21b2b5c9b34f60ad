"""Sentences that share almost all words and differ in a quantity, a numeral, a sign, or one letter of a word.

The same quantity, numeral or long number is written in several ways, which are duplicates.
"""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from .edits import add_noise

_LISTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_FRACTIONS = {0.25: "¼", 0.5: "½", 0.75: "¾"}

Spellings = list[list[str]]
"""Things that fill one blank of a frame, each with all of its spellings; no two are the same thing."""


def measures(rng: Random, n: int) -> Iterator[list[str]]:
    """About n groups of sentences with a quantity, in other units and of other amounts."""
    return _fill(rng, n, _quantities)


def numerals(rng: Random, n: int) -> Iterator[list[str]]:
    """About n groups of sentences with a Roman numeral, a figure or a number word."""
    return _fill(rng, n, _numerals)


def signs(rng: Random, n: int) -> Iterator[list[str]]:
    """About n groups of sentences with a sign or a single letter."""
    return _fill(rng, n, _signs)


def look_alikes(rng: Random, n: int) -> Iterator[list[str]]:
    """About n groups of sentences about things whose names look alike."""
    return _fill(rng, n, _look_alikes)


def long_numbers(rng: Random, n: int) -> Iterator[list[str]]:
    """About n groups of sentences with a telephone number, or that of an account or a contract."""
    return _fill(rng, n, _long_numbers)


def codes(rng: Random, n: int) -> Iterator[list[str]]:
    """About n groups of sentences with a date in figures, an address of a network or a version."""
    return _fill(rng, n, _codes)


def _fill(rng: Random, n: int, draw: Callable[[Random], tuple[list[str], Spellings]]) -> Iterator[list[str]]:
    """Frames, each filled with two to four things, in one to three of all forms."""
    while n > 0:
        frame, things = draw(rng)
        for spellings in rng.sample(things, min(n, len(things), rng.choice((2, 2, 3, 4)))):
            form = rng.choice(frame)
            # Half of the duplicates differ in their spelling alone.
            others = [form] if rng.random() < 0.5 else frame
            count = rng.choice((1, 1, 2, 3))
            texts = [rng.choice(others if k else [form]).replace("{}", rng.choice(spellings)) for k in range(count)]
            yield list(dict.fromkeys(add_noise(rng, text, typo_rate=0.05) for text in texts))
            n -= 1


def _frame(forms: Sequence[str], blank: str, **filled: object) -> list[str]:
    """The forms of a frame, whose blank is written {} from here on."""
    return [form.format(**{blank: "{}"}, **filled) for form in forms]


def _quantities(rng: Random) -> tuple[list[str], Spellings]:
    dimension = rng.choice(_LISTS["quantities"])
    units, amount = dimension["units"], _amount(rng)
    other = _other_amount(rng, amount)
    chosen = [(amount, unit) for unit in rng.sample(units, min(len(units), 3))] + [(other, units[0])]
    if rng.random() < 0.5:
        chosen = [(each, chosen[0][1]) for each in {amount, other, _other_amount(rng, other)}]
    return _frame(rng.choice(dimension["frames"]), "q"), [_quantity(*each) for each in sorted(chosen)]


def _amount(rng: Random) -> float:
    whole = rng.choice((rng.randrange(2, 13), rng.randrange(2, 100), 10 * rng.randrange(1, 60), 250 * rng.randrange(4, 80)))
    return whole + (rng.choice((0.25, 0.5, 0.75)) if rng.random() < 0.2 else 0)


def _other_amount(rng: Random, amount: float) -> float:
    return rng.choice((amount + 1, amount * 10, amount + 0.5, 2 * amount))


def _quantity(amount: float, names: Sequence[str]) -> list[str]:
    """The spellings of an amount of a unit, whose first name is its sign."""
    figures = _figures(amount)
    before = [f"{names[0]}{figure}" for figure in figures] if names[0] in "$€£" else []
    behind = [f"{figure}{names[0]}" for figure in figures]
    apart = [f"{figure} {name}" for figure in figures for name in names[bool(before) :]]
    return [*before, *([] if before else behind), *apart]


def _figures(amount: float) -> list[str]:
    whole, part = int(amount), amount % 1
    if part:
        decimal = f"{amount:.2f}".rstrip("0")
        return [f"{whole}{_FRACTIONS[part]}", decimal, decimal.replace(".", ",")]
    words = [_LISTS["numerals"]["words"][whole - 1]] if whole <= len(_ROMAN) else []
    return [str(whole), f"{whole:,}", *words]


def _numerals(rng: Random) -> tuple[list[str], Spellings]:
    numbers = rng.sample(range(len(_ROMAN)), 4)
    close = [(numbers[0] + k) % len(_ROMAN) for k in range(4)]
    chosen = close if rng.random() < 0.7 else numbers
    return _frame(rng.choice(_LISTS["numerals"]["frames"]), "n"), [_numeral(rng, k) for k in chosen]


def _numeral(rng: Random, place: int) -> list[str]:
    forms = [_ROMAN[place], str(place + 1), _LISTS["numerals"]["words"][place]]
    return forms[:1] if rng.random() < 0.5 else forms


def _signs(rng: Random) -> tuple[list[str], Spellings]:
    kind = rng.choice(_LISTS["signs"])
    n, m = rng.sample(range(2, 60), 2)
    return _frame(rng.choice(kind["frames"]), "s", n=n, m=m), kind["signs"]


def _look_alikes(rng: Random) -> tuple[list[str], Spellings]:
    words = rng.choice(_LISTS["look_alikes"]["pairs"])
    return _frame(rng.choice(_LISTS["look_alikes"]["frames"]), "w"), [[word] for word in words]


def _long_numbers(rng: Random) -> tuple[list[str], Spellings]:
    digits = "".join(rng.choices("0123456789", k=rng.randrange(7, 13)))
    place = rng.randrange(len(digits) - 1)
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    changed = digits[:place] + str((int(digits[place]) + rng.randrange(1, 10)) % 10) + digits[place + 1 :]
    numbers = dict.fromkeys((digits, changed, swapped))
    return _frame(rng.choice(_LISTS["long_numbers"]["frames"]), "p"), [_grouped(rng, number) for number in numbers]


def _codes(rng: Random) -> tuple[list[str], Spellings]:
    year, low, high = rng.randrange(1990, 2030), *sorted(rng.sample(range(1, 13), 2))
    dates = [(year, low, high), (year, high, low), (year, low, high + 1), (year - 1, low, high)]
    parts = [rng.randrange(256) for _ in range(4)]
    networks = [parts, [*parts[:2], parts[3], parts[2]], [*parts[:3], (parts[3] + 1) % 256], [*parts[1:], parts[0]]]
    versions = [(low, high, 0), (low, 0, high), (high, low, 0), (low, high, 1)]
    spelled = rng.choice(
        (
            [[f"{y}-{m:02}-{d:02}", f"{y}/{m:02}/{d:02}", f"{d:02}.{m:02}.{y}"] for y, m, d in dates],
            [[".".join(map(str, each))] for each in networks],
            [[f"{a}.{b}.{c}", f"v{a}.{b}.{c}", f"version {a}.{b}.{c}"] for a, b, c in versions],
        )
    )
    return _frame(rng.choice(_LISTS["codes"]["frames"]), "c"), spelled


def _grouped(rng: Random, digits: str) -> list[str]:
    """A long number with its digits in groups, as people write those of telephones and accounts."""
    found = [digits]
    for size in rng.sample((2, 3, 4), 2):
        groups = [digits[k : k + size] for k in range(0, len(digits), size)]
        found += [mark.join(groups) for mark in rng.sample((" ", "-", "."), 2)]
    head = rng.choice((3, 4))
    return [*found, f"{digits[:head]}/{digits[head:]}", f"({digits[:head]}) {digits[head:]}"]
