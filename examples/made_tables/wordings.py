"""Wordings of one question or sentence in the style of one table: its share of duplicates, case, typos and final marks."""

import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from .edits import add_typos

SHARES = (0.04, 0.08, 0.15, 0.25, 0.4, 0.6, 0.8)
"""Shares of the groups with more than one text."""
_CASES: dict[str, Callable[[str], str]] = {"as is": str, "lower": str.lower, "upper": str.upper}
_MIXED = ("as is",) * 5 + ("lower",) * 4 + ("upper",)
"""The cases of the texts of a table whose writers differ."""


class Rewordings(NamedTuple):
    """Phrases of a language, those of one list with one meaning; and words that add nothing, at either end or within."""

    phrases: list[list[str]]
    before: list[str]
    after: list[str]
    dropped: list[str]


_REWORDINGS = {
    code: Rewordings(**lists)
    for code, lists in tomllib.loads(Path(__file__).with_name("rewordings.toml").read_text(encoding="utf-8")).items()
}


@cache
def _patterns(code: str) -> list[tuple[re.Pattern[str], list[str]]]:
    """Each phrase, as whole words in languages that have spaces, with the other phrases of its meaning."""
    before, after = ("", "") if code in ("zh", "ja") else (r"(?<![\w'])", r"(?![\w'])")
    return [
        (re.compile(before + re.escape(phrase) + after), [other for other in same if other != phrase])
        for same in _REWORDINGS[code].phrases
        for phrase in same
    ]


def reword(rng: Random, text: str, code: str) -> str:
    """The text with one to three small changes: synonyms, words that add nothing, or without such words."""
    lists = _REWORDINGS[code]
    applicable = [(pattern, others) for pattern, others in _patterns(code) if pattern.search(text)]
    for pattern, others in rng.sample(applicable, min(len(applicable), rng.choice((1, 1, 2, 3)))):
        other = rng.choice(others)
        text = pattern.sub(lambda _, other=other: other, text, count=1)
    kind = rng.random()
    if not applicable or kind < 0.5:
        body = text.rstrip("?.!？。")
        end = text[len(body) :]
        if kind < 0.2:
            text = rng.choice(lists.before) + text
        elif kind < 0.4 or not applicable:
            text = body + rng.choice(lists.after) + end
        else:
            text = text.replace(rng.choice(lists.dropped), "", 1)
    return text


class Wordings:
    """Draws groups of wordings in the style of one table.

    Args:
        rng: The generator of the table.
        code: Language of the forms, or "bugs" or "news" for English titles.
        shares: Shares of groups with more than one text, of which the table has one.

    """

    def __init__(self, rng: Random, code: str = "en", shares: Sequence[float] = SHARES) -> None:
        self.rng = rng
        self._code = code
        self._close = rng.choice((0.0, 0.3, 0.6, 0.9))
        self._share = rng.choice(shares)
        self._most = rng.choice((2, 2, 3, 4, 6))
        self._typo_rate = rng.choice((0.0, 0.0, 0.03, 0.1))
        self._keeps_ends = rng.random() < 0.6
        self._case = rng.choice(("as is", "as is", "as is", "lower", "lower", "mixed"))

    def draw(self, forms: Sequence[str]) -> list[str]:
        """One of the forms, or up to six texts: other forms, or in many tables one of the former with small changes."""
        repeated = self.rng.random() < self._share
        count = self.rng.randint(2, self._most) if repeated else 1
        texts: dict[str, str] = {}
        for form in self.rng.sample(forms, min(len(forms), count)):
            text = form
            if texts and self.rng.random() < self._close:
                text = reword(self.rng, self.rng.choice(list(texts.values())), self._code)
            texts.setdefault(text.casefold(), text)
        return [self._write(text) for text in texts.values()]

    def _write(self, text: str) -> str:
        if self.rng.random() < self._typo_rate and text.isascii():
            text = add_typos(self.rng, text)
        case = self.rng.choice(_MIXED) if self._case == "mixed" else self._case
        return _CASES[case](text if self._keeps_ends else self._change_end(text))

    def _change_end(self, text: str) -> str:
        """The text without its final mark in most cases."""
        body = text.rstrip("?.!？。 ")
        return body + self.rng.choice(("", "", "", text[len(body) :], text[len(body) :] * 2, "..."))
