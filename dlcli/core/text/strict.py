"""Strict keys of texts, for code and formulas, in which `>=` is not `<=`, `foo()` not `foo[]`, and `CO` not `Co`.

Two texts are exact duplicates if they differ in blanks alone, where these separate nothing: between a word and an operator, and
beside brackets, commas and semicolons. A blank between two words, two operators or beside a quote is kept, as one: `a b` is not
`ab`, `> =` not `>=`. In a string literal every blank and line break counts. So do case, marks and compatibility forms (x² and
x2).

A score of words cannot tell such texts apart, so it is given texts in which each mark or operator is a word, a number: like
another number, another operator is a small change and another meaning. And texts with the same words that differ in case, marks
or order are never duplicates (`a - b` and `b - a`), nor are those with the same characters in other words or operators
(`return x` and `returnx`, `++` and `+ +`) or with other blanks in a literal. If only other blanks and the kind of quotes
differ, they are.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.scoring.arrays import Rows

_SEPARATORS = frozenset("()[]{},;")
_QUOTES = frozenset("\"'")
_IDLE_BLANK = re.compile(r"(?<=[wu]) (?=[os])|(?<=[os]) (?=[wu])|(?<=s) (?=.)|(?<=.) (?=s)|(?<=o) (?=q)|(?<=q) (?=o)")
_TOKEN = re.compile(r"w+|o+|[usq]")
# Without >>, which also closes two lists of types in C++.
_OPERATORS = "=== !== <=> ... == != <= >= && || ++ -- += -= *= /= %= &= |= ^= -> => :: := ** // /* */ << <> ?. ?? ..".split()
_OPERATOR = re.compile("|".join([*map(re.escape, _OPERATORS), "."]), re.DOTALL)

# A quote within a word is an apostrophe, unless what stands before it is a prefix of literals.
_LITERAL = re.compile(
    r"""(?s)(?<!\w)(?:[rRbBfFuUL]{1,2})?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)"""
)
_KEPT_BLANKS = {code: 0xE000 + code for code in (*range(9, 14), 32, 0x85, 0xA0)}
"""Blanks of a literal as characters for private use, which nothing removes."""


class _Classes(dict[int, str]):
    """A table for str.translate, filled on demand: w for letters, digits and accents, u for _, s, q and o for other marks."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        word = char.isalnum() or unicodedata.category(char)[0] == "M"
        mark = "s" if char in _SEPARATORS else "q" if char in _QUOTES else {" ": " ", "_": "u"}.get(char, "o")
        self[code] = found = "w" if word else mark
        return found


_CLASSES = _Classes()


def strict_keys(texts: Sequence[str]) -> list[str]:
    """The strict key of each text, "" if it is blank. The key of a key is the key itself."""
    return [_strict_key(text) for text in texts]


def _strict_key(text: str) -> str:
    joined = _normal(_LITERAL.sub(lambda found: found[0].translate(_KEPT_BLANKS), _composed(text)))
    ends = [0, *chain.from_iterable(found.span() for found in _IDLE_BLANK.finditer(joined.translate(_CLASSES))), len(joined)]
    return "".join(joined[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True))


def spell_out(texts: Sequence[str]) -> list[str]:
    """The texts with each mark or operator as a word of its own, a number; both kinds of quotes are one."""
    return [" ".join(token if _is_word(token) else _number(token) for token in _tokens(text)) for text in texts]


def differ_in_form_alone(texts: Sequence[str], first: Rows, second: Rows) -> NDArray[np.bool_]:
    """Whether the texts of each pair have the same words, but in other case or order or with other marks, (pairs,).

    Or the same characters, but other words or operators, as blanks separate them elsewhere, or other blanks in a literal.
    """
    tokens = [_tokens(text) for text in texts]
    exactly = _numbered([" ".join(each) for each in tokens])
    words = _numbered([" ".join(sorted(token.casefold() for token in each if _is_word(token))) for each in tokens])
    characters = _numbered(["".join(each) for each in tokens])
    literals = _numbered(["\0".join(each.strip("\"'`") for each in _LITERAL.findall(_composed(text))) for text in texts])
    same = (words[first] == words[second]) | (characters[first] == characters[second])
    return np.asarray(same & ((exactly[first] != exactly[second]) | (literals[first] != literals[second])))


def _normal(text: str) -> str:
    return " ".join(_composed(text).split())


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _tokens(text: str) -> list[str]:
    """The words, operators and single marks of a text."""
    normal = _normal(text).replace('"', "'")
    parts = [(found[0][0], normal[slice(*found.span())]) for found in _TOKEN.finditer(normal.translate(_CLASSES))]
    return [token for kind, part in parts for token in (_OPERATOR.findall(part) if kind == "o" else [part])]


def _number(token: str) -> str:
    return "9" + "".join(f"{ord(char):06d}" for char in token)


def _is_word(token: str) -> bool:
    return _CLASSES[ord(token[0])] == "w"


def _numbered(texts: list[str]) -> NDArray[np.int64]:
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return np.array([numbers[text] for text in texts], np.int64)
