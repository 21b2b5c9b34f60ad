"""The words of a text in the form in which they are compared: numbers, contractions, accents and markup made equal.

The key of `dlcli.core.text.tokens` decides which texts are exact duplicates, so it keeps all that may matter. These forms are
for the comparison of two texts that are not equal, where `5,000` and `5000`, `can't` and `cannot`, `LC-40LE` and `lc 40 le`,
`Müller` and `Mueller` count as the same word.
"""

import html
import re
import unicodedata
from functools import lru_cache

from dlcli.core.text.scoring.east_asian_words import east_asian_words
from dlcli.core.text.tokens import IDEOGRAPH, words_of_run

_ELEMENTS = (
    "a abbr article b big blockquote body br button caption center cite code col dd del details div dl dt em figure font "
    "footer form h[1-6] head header hr html i iframe img input ins kbd label legend li link main mark meta nav ol option p pre "
    "q s script section select small span strike strong style sub summary sup svg table tbody td textarea tfoot th thead title "
    "tr tt u ul var video"
)
"""Names of elements of HTML. Other words in angle brackets are part of a text, as in `List<String>` and `<jane@site.org>`."""
_TAG = re.compile(rf"</?(?:{_ELEMENTS.replace(' ', '|')})(?=[\s/>])[^<>]*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_COMPARISON = re.compile(r"([<>!]=|[<>=≤≥≠])(?=[-+.]?\d)")
_SIGNS = {"<=": "≤", ">=": "≥", "!=": "≠"}
_THOUSANDS = re.compile(r"[-]?\d{1,3}(,\d{3})+(\.\d+)?$")
_THOUSANDS_BY_DOTS = re.compile(r"[-]?\d{1,3}(\.\d{3})+,\d+$")
_DECIMAL_COMMA = re.compile(r"[-]?\d+,\d{1,2}$")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)$")
_LETTERS_OR_DIGITS = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+|[^\w\s]+|_+")
_SPELLED = str.maketrans(
    {"ß": "ss", "ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ı": "i"}
)
_FRACTIONS = str.maketrans({"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3", "⅛": " 1/8", "\u200b": " "})
_MIXED = re.compile(r"(\d)[ ]?([½¼¾])")
_DECIMAL = {"½": ".5", "¼": ".25", "¾": ".75"}
_MARKS_DROPPED = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW")
"""Scripts in which a combining mark is an accent or an optional vowel; in Devanagari and Thai it is a letter."""
_NOT = {"cant": ("can", "not"), "cannot": ("can", "not"), "wont": ("will", "not"), "shant": ("shall", "not")}
_NOT |= {f"{verb}nt": (verb, "not") for verb in "do does did is are was were has have had would should could must".split()}
_ENDINGS = {"'re": "are", "'ve": "have", "'ll": "will", "'m": "am"}
_CACHED = 1 << 18


def without_markup(text: str) -> str:
    """`text` with HTML entities resolved and tags replaced by blanks; fractions in one character are spelled out.

    In a text of tags alone, these stay.
    """
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        bare = _TAG.sub(" ", text)
        text = bare if bare.strip() else text
    if text.isascii():
        return text
    return _MIXED.sub(lambda found: found[1] + _DECIMAL[found[2]], text).translate(_FRACTIONS)


@lru_cache(maxsize=_CACHED)
def forms_of_run(run: str) -> tuple[str, ...]:
    """The words of one run between blanks, in the form in which they are compared; cached, since most runs occur often."""
    words = words_of_run(run)
    if _COMPARISON.search(run):
        parts = _COMPARISON.sub(lambda found: f" {_SIGNS.get(found[1], found[1])} ", run).split()
        words = tuple(word for part in parts for word in words_of_run(part))
    if not run.isascii() and any(map(IDEOGRAPH.match, words)):
        words = east_asian_words(words)
    return tuple(form for word in words for form in _forms(word) if form)


def _forms(word: str) -> tuple[str, ...]:
    if word == "&":
        return ("and",)
    if word in _SIGNS:
        return (_SIGNS[word],)
    if not word.isascii():
        word = _without_accents(word.replace("°", ""))
    if "'" in word:
        return _contraction(word)
    if word in _NOT:
        return _NOT[word]
    if any(map(str.isdigit, word)):
        return _numbers(word)
    return tuple(word.split("-")) if "-" in word else (word,)


def _without_accents(word: str) -> str:
    # ä is written ae where a keyboard lacks it, so that it may not become a, as other accented letters do.
    spelled = unicodedata.normalize("NFC", word).translate(_SPELLED)
    if spelled.isascii():
        return spelled
    if not unicodedata.name(spelled[0], "").startswith(_MARKS_DROPPED):
        return spelled
    apart = unicodedata.normalize("NFD", spelled)
    return unicodedata.normalize("NFC", "".join(char for char in apart if not unicodedata.combining(char))).replace("ـ", "")


def _contraction(word: str) -> tuple[str, ...]:
    joined = word.replace("'", "")
    if joined in _NOT:
        return _NOT[joined]
    for ending, spelled in _ENDINGS.items():
        if word.endswith(ending):
            return word.removesuffix(ending), spelled
    return (word.removesuffix("'s").replace("'", ""),)


def _numbers(word: str) -> tuple[str, ...]:
    """Letters and digits apart, as in `330ml` and `wf6933`, since others write `330 ml` and `WF-6933`."""
    if _THOUSANDS.match(word):
        return (word.replace(",", ""),)
    if _THOUSANDS_BY_DOTS.match(word):
        return (word.replace(".", "").replace(",", "."),)
    if _DECIMAL_COMMA.match(word):
        return (word.replace(",", "."),)
    if (word[0] in "-." and word[1:].isdigit()) or _ORDINAL.match(word):
        return (word,)
    parts = (part.replace(",", "") for part in _LETTERS_OR_DIGITS.findall(word) if part not in "-.,:")
    # 212.555.0199 and 1.2.3 are codes of several numbers, as 212-555-0199 is.
    return tuple(number for part in parts for number in (part.split(".") if part.count(".") > 1 else (part,)))
