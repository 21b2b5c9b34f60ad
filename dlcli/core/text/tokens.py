"""Normalise texts to keys ("folding") and tokenize them, each distinct piece of text once.

A key drops what makes no difference between two questions: case, Unicode form, spacing and sentence punctuation. It keeps what
does: `C++` and `C#` are not `C`, `3.5` is not `35`, `$5` and `50%` are not `5` and `50`, `.net` is not `net`, `5²` is not `52`.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

# NFKC would turn 5² into 52; the caret keeps the exponent. U+200B separates words; minus and apostrophes get one form.
_BEFORE = str.maketrans(
    {digit: f"^{value}" for value, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    | {"\u200b": " ", "−": "-", "’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"}
)
_MEANINGFUL = frozenset("#%&@*/\\_")  # punctuation in Unicode, but they distinguish texts
_BY_CONTEXT = frozenset(".,:'-")
_KEPT_OR_LOOSE = re.compile(
    r"(?P<kept>(?<=\d)[.,:](?=\d)"  # 3.5  1,000  10:30
    r"|(?<=\w)'(?=\w)"  # don't
    r"|(?<![\w.])\.(?=\w)"  # .net  .5
    r"|(?<![\w-])-(?=\.?\d))"  # -5
    r"|[.,:'-]"
)
_BETWEEN_WORDS = re.compile(r"[/\\*|_=<>~]+")
# Scripts without spaces between words: each character stands for a word.
IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")


class _Letters(dict[int, str | None]):
    """A table for str.translate, filled on demand: punctuation becomes a space, invisible marks are deleted."""

    def __missing__(self, code: int) -> str | None:
        self[code] = _letter(chr(code))
        return self[code]


def _letter(char: str) -> str | None:
    if char in _MEANINGFUL or char in _BY_CONTEXT:
        return char
    category = unicodedata.category(char)
    if category == "Cf" or 0xFE00 <= ord(char) <= 0xFE0F:  # joiners, direction marks, variation selectors
        return None
    return " " if category[0] in "PCZ" else char


_LETTERS = _Letters()


def fold(text: str) -> str:
    """The key of `text`, "" if it has only punctuation. Two texts are exact duplicates if their keys are equal.

    Folding is idempotent: `fold(fold(text)) == fold(text)`.
    """
    folded = unicodedata.normalize("NFKC", text.translate(_BEFORE)).casefold()
    folded = unicodedata.normalize("NFKC", folded).translate(_BEFORE).translate(_LETTERS)
    return " ".join(_KEPT_OR_LOOSE.sub(_keep, folded).split())


def _keep(match: re.Match[str]) -> str:
    return match.group() if match.lastgroup else " "


class _Folded(dict[str, str]):
    """Cache of folded runs, the substrings between blanks; most runs of a table occur many times."""

    def __missing__(self, run: str) -> str:
        if len(self) >= _RUNS:
            self.clear()
        self[run] = found = fold(run)
        return found


_RUNS = 1 << 18
_FOLDED = _Folded()  # an lru_cache instead makes folding a table 25% slower


def fold_all(texts: Iterable[str]) -> list[str]:
    """Fold many texts, each distinct run between blanks once; equal to `fold` of each text."""
    folded = _FOLDED.__getitem__
    return [" ".join(filter(None, map(folded, text.split()))) for text in texts]


def words(piece: str) -> list[str]:
    """The words of one piece of a key (a substring between spaces); a piece without words is itself a word."""
    spaced = IDEOGRAPH.sub(r" \g<0> ", _BETWEEN_WORDS.sub(" ", piece))
    return spaced.split() or [piece]


@lru_cache(maxsize=_RUNS)
def words_of_run(run: str) -> tuple[str, ...]:
    """The words of one run between blanks of a text before folding; cached, since most runs occur many times."""
    return tuple(word for piece in _FOLDED[run].split() for word in words(piece))


def ngrams(piece: str, shortest: int, longest: int) -> list[str]:
    """Character n-grams of one piece, padded with one space on each side; a padded piece shorter than n is one n-gram.

    The same as scikit-learn's analyzer `char_wb`.
    """
    padded = f" {piece} "
    found = []
    for size in range(shortest, longest + 1):
        found += [padded[start : start + size] for start in range(max(1, len(padded) - size + 1))]
        if len(padded) <= size:
            break
    return found
