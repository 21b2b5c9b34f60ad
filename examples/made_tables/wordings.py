"""Wordings of one question or sentence in the style of one table: its share of duplicates, case, typos and final marks."""

from collections.abc import Callable, Sequence
from random import Random

from .edits import add_typos

SHARES = (0.04, 0.08, 0.15, 0.25, 0.4, 0.6, 0.8)
"""Shares of the groups with more than one text."""
_CASES: dict[str, Callable[[str], str]] = {"as is": str, "lower": str.lower, "upper": str.upper}
_MIXED = ("as is",) * 5 + ("lower",) * 4 + ("upper",)
"""The cases of the texts of a table whose writers differ."""


class Wordings:
    """Draws groups of wordings in the style of one table.

    Args:
        rng: The generator of the table.
        shares: Shares of groups with more than one text, of which the table has one.

    """

    def __init__(self, rng: Random, shares: Sequence[float] = SHARES) -> None:
        self.rng = rng
        self._share = rng.choice(shares)
        self._most = rng.choice((2, 2, 3, 4, 6))
        self._typo_rate = rng.choice((0.0, 0.0, 0.03, 0.1))
        self._keeps_ends = rng.random() < 0.6
        self._case = rng.choice(("as is", "as is", "as is", "lower", "lower", "mixed"))

    def draw(self, forms: Sequence[str]) -> list[str]:
        """One of the forms, or up to six of them, as careless typists write them."""
        repeated = self.rng.random() < self._share
        count = min(len(forms), self.rng.randint(2, self._most)) if repeated else 1
        return [self._write(form) for form in self.rng.sample(forms, count)]

    def _write(self, text: str) -> str:
        if self.rng.random() < self._typo_rate and text.isascii():
            text = add_typos(self.rng, text)
        case = self.rng.choice(_MIXED) if self._case == "mixed" else self._case
        return _CASES[case](text if self._keeps_ends else self._change_end(text))

    def _change_end(self, text: str) -> str:
        """The text without its final mark in most cases."""
        body = text.rstrip("?.!？。 ")
        return body + self.rng.choice(("", "", "", text[len(body) :], text[len(body) :] * 2, "..."))
