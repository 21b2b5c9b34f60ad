"""Tokenize texts so that the words in which two of them differ can be marked, with the words of `explanation.explain`."""

import re
from typing import NamedTuple

from dlcli.core.text.tokens import IDEOGRAPH, fold, words

_BOUNDARIES = re.compile(rf"({IDEOGRAPH.pattern}|\s+)")


class TokenizedText(NamedTuple):
    """The pieces of a text, whose concatenation is the text, and the ids of the words in each piece."""

    pieces: list[str]
    word_ids: list[list[int]]


class DiffTokenizer:
    """Splits texts into pieces and numbers their words in order of first occurrence."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._of_piece: dict[str, list[int]] = {}

    def tokenize(self, text: str) -> TokenizedText:
        """Split a text into runs without blanks, single ideographs, and runs of blanks, which have no words."""
        pieces = [piece for piece in _BOUNDARIES.split(text) if piece]
        return TokenizedText(pieces, [self._words(piece) for piece in pieces])

    def _words(self, piece: str) -> list[int]:
        if piece not in self._of_piece:
            found = [word for part in fold(piece).split() for word in words(part)]
            self._of_piece[piece] = [self._numbers.setdefault(word, len(self._numbers)) for word in found]
        return self._of_piece[piece]
