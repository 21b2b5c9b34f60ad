"""How the rows of one table came about: the share of duplicates, the sources of the texts, and the habits of each source.

Real tables are consistent inside: one source abbreviates, another adds the city in brackets. So habits are drawn per source.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import TypeVar

from .edits import add_typos

T = TypeVar("T")

_SHARES = (0.03, 0.07, 0.15, 0.25, 0.4, 0.6, 0.8)
"""Shares of the entities of a table that have a second text."""
_TYPO_RATES = (0, 0, 0, 0.02, 0.05, 0.1)
_TRIES = 4
"""How often a source writes a text, of which the first that does not stand in the table is taken."""
_FAVOURITE = 0.85
"""How often a source keeps to its favourite among several forms."""


class Source:
    """One source of texts, such as a register or a clerk, whose habits hold for most of its texts.

    Args:
        rng: The generator of the table.
        change_case: Changes the case of a whole text.
        typo_rate: Share of its texts with a typo.

    """

    def __init__(self, rng: Random, change_case: Callable[[str], str], typo_rate: float) -> None:
        self.rng = rng
        self._change_case = change_case
        self._typo_rate = typo_rate
        self._rates: dict[str, float] = {}
        self._favourites: dict[str, float] = {}

    def does(self, habit: str, rate: float = 0.3) -> bool:
        """Whether the habit applies to this text: nearly always or hardly ever with most sources, on average at `rate`."""
        if habit not in self._rates:
            self._rates[habit] = self.rng.betavariate(rate, 1 - rate)
        return self.rng.random() < self._rates[habit]

    def pick(self, habit: str, forms: Sequence[T]) -> T:
        """One of several forms, mostly the favourite of the source."""
        if habit not in self._favourites:
            self._favourites[habit] = self.rng.random()
        if self.rng.random() < _FAVOURITE:
            return forms[int(self._favourites[habit] * len(forms))]
        return self.rng.choice(forms)

    def finish(self, text: str) -> str:
        """The text with the accents, case and typos of the source."""
        if not text.isascii() and self.does("strips accents"):
            text = without_accents(text)
        if self.rng.random() < self._typo_rate:
            text = self._mistype(text)
        return self._change_case(text)

    def _mistype(self, text: str) -> str:
        """The text with a typo in one of its long words; in a short one it could give another name."""
        # The letters of typos are Latin ones.
        long_words = [word for word in text.split() if len(word) > 5 and re.search("[A-Za-z]{2}", word)]
        if not long_words:
            return text
        word = self.rng.choice(long_words)
        return text.replace(word, add_typos(self.rng, word), 1)


class Layout:
    """The share of duplicates of a table, and its sources: half of the tables have two, each with an entity at most once.

    Args:
        rng: The generator of the table.
        most: Most texts of an entity in a table that does not have two sources; many tables have fewer.
        shares: Shares of the entities that have a second text, of which the table has one.

    """

    def __init__(self, rng: Random, most: int = 4, shares: Sequence[float] = _SHARES) -> None:
        self.rng = rng
        self.two_sources = rng.random() < 0.5
        self._share = rng.choice(shares)
        self._most = rng.randint(2, most)
        change_case = _draw_case(rng)
        typo_rate = rng.choice(_TYPO_RATES)
        self._sources = [Source(rng, change_case, typo_rate) for _ in range(2 if self.two_sources else rng.randint(3, 6))]

    def write(self, entities: Iterable[T], write: Callable[[Source, T], str]) -> Iterator[list[str]]:
        """Texts of each entity; none has the words of a text of another entity, and none stands there twice."""
        owner: dict[tuple[str, ...], int] = {}
        for number, entity in enumerate(entities):
            texts: list[str] = []
            for source in self._draw_sources():
                candidates = (source.finish(write(source, entity)) for _ in range(_TRIES))
                own = [text for text in candidates if owner.setdefault(tuple(sorted(words(text))), number) == number]
                texts += _most_different(own, texts)
            if texts:
                yield texts

    def _draw_sources(self) -> list[Source]:
        if self.rng.random() >= self._share:
            return [self.rng.choice(self._sources)]
        if self.two_sources:
            return self._sources
        return self.rng.choices(self._sources, k=self._draw_count())

    def _draw_count(self) -> int:
        """Any number of texts in a table of large groups; else half of the entities have two, a quarter three, and so on."""
        if self._most > 5:
            return self.rng.randint(2, self._most)
        count = 2
        while count < self._most and self.rng.random() < 0.5:
            count += 1
        return count


def _most_different(candidates: list[str], texts: list[str]) -> list[str]:
    """The first candidate that differs from all texts in its words, or at least in punctuation, if there is one."""
    keys, folded = [words(text) for text in texts], [text.casefold() for text in texts]
    by_words = [text for text in candidates if words(text) not in keys]
    return (by_words + [text for text in candidates if text.casefold() not in folded])[:1]


class Spellings:
    """Words and phrases, each with other ways to write it.

    Args:
        forms: The other ways of each word or phrase.

    """

    def __init__(self, forms: Mapping[str, Sequence[str]]) -> None:
        self._forms = forms
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in longest_first))

    def apply(self, source: Source, text: str, habit: str, rate: float = 0.3) -> str:
        """The text with most of these words in the ways that the source prefers, if it has the habit at all."""
        if not source.does(habit, rate):
            return text
        return self._pattern.sub(lambda match: self._respell(source, match[0]), text)

    def _respell(self, source: Source, word: str) -> str:
        return source.pick(word, self._forms[word]) if source.rng.random() < 0.9 else word


def words(text: str) -> list[str]:
    """The words of a text in lower case, without apostrophes and accents; "the" is not one."""
    plain = without_accents(text).casefold().replace("'", "").replace("&", " and ")
    return [word for word in re.findall(r"\w+", plain) if word != "the"]


def identify(names: Sequence[str], short_names: Sequence[str]) -> list[bool]:
    """For each entity of a table, whether its short name identifies it: no other name has all words of the short one."""
    having: dict[str, set[int]] = defaultdict(set)
    for number, name in enumerate(names):
        for word in words(name):
            having[word].add(number)
    everything = set(range(len(names)))
    found = []
    for number, short_name in enumerate(short_names):
        others = everything
        for word in sorted(words(short_name), key=lambda word: len(having[word])):
            others = others & having[word]
        found.append(bool(short_name) and others <= {number})
    return found


def without_accents(text: str) -> str:
    """The text with é as e, ü as u and so on."""
    if text.isascii():
        return text
    letters = "".join(char for char in unicodedata.normalize("NFD", text) if not "\u0300" <= char <= "\u036f")
    return unicodedata.normalize("NFC", letters)


def _draw_case(rng: Random) -> Callable[[str], str]:
    kind = rng.random()
    if kind < 0.2:
        return str.lower
    if kind < 0.4:
        return str.upper
    if kind < 0.55:
        return lambda text: rng.choice((text, text.lower(), text.upper()))
    return lambda text: text
