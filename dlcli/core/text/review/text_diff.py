"""Cut texts so that the words in which two of them differ can be marked where they stand, as `why` counts them."""

import re

from dlcli.core.text.tokens import IDEOGRAPH, fold, words

_CUTS = re.compile(rf"({IDEOGRAPH.pattern}|\s+)")


class DiffTokenizer:
    """Cuts texts into pieces and numbers their words, each distinct word by the order in which it came up."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._of_piece: dict[str, list[int]] = {}

    def cut(self, text: str) -> tuple[list[str], list[list[int]]]:
        """The pieces of `text`, which together are the text again, and for each the numbers of its words.

        A piece is a run without blanks, one ideograph, or a run of blanks, which has no words.
        """
        pieces = [piece for piece in _CUTS.split(text) if piece]
        return pieces, [self._words(piece) for piece in pieces]

    def _words(self, piece: str) -> list[int]:
        if piece not in self._of_piece:
            found = [word for part in fold(piece).split() for word in words(part)]
            self._of_piece[piece] = [self._numbers.setdefault(word, len(self._numbers)) for word in found]
        return self._of_piece[piece]
