"""How programs call columns of probabilities: the class with words before, behind or around it."""

import re
from collections.abc import Iterable, Sequence

from dlcli.core.evaluation.prediction_labels import without_point

_SURE = "p|probs?|proba|probability|probabilities|softmax|scores?|conf|confidence"
_WORDS = rf"{_SURE}|class|pred|prediction"
_STYLES = {
    "before": re.compile(rf"\.?(?P<word>{_WORDS})(?P<joint>[\s_.:/-])(?P<name>.+)", re.IGNORECASE | re.DOTALL),
    "behind": re.compile(rf"(?P<name>.+)(?P<joint>[\s_.:/-])(?P<word>{_WORDS})", re.IGNORECASE | re.DOTALL),
    "around": re.compile(rf"(?P<word>{_WORDS})\s?(?P<joint>[(\[])(?P<name>.+)[)\]]", re.IGNORECASE | re.DOTALL),
}
"""How the names of columns are made from those of classes."""
_OF = "class|label|y"
_LONG = rf"(?:(?:y|pred|predicted|{_OF})[\s_.-])*(?:{_SURE})(?:[\s_.-](?:{_OF}))?"
_LONG_STYLES = {
    "before": re.compile(rf"\.?(?P<word>{_LONG})(?P<joint>[\s_.:/-])(?P<name>.+)", re.IGNORECASE | re.DOTALL),
    "number": re.compile(rf"(?P<word>{_LONG})(?P<joint>)(?P<name>\d+)", re.IGNORECASE),
    "behind": re.compile(
        rf"(?:(?:{_OF})[\s_.:-])?(?P<name>.+)(?P<joint>[\s_.:/-])(?P<word>(?:y[\s_.-])?(?:{_SURE}))", re.IGNORECASE | re.DOTALL
    ),
    "around": re.compile(rf"(?P<word>{_LONG})\s?(?P<joint>[(\[])(?:[^=]+=\s*)?(?P<name>.+)[)\]]", re.IGNORECASE | re.DOTALL),
}
"""The same with several words, or none between them and a number: of columns that hold probabilities by their cells."""


def by_style(columns: Iterable[str], *, long: bool = False) -> list[dict[str, str]]:
    """Columns with the same words before or behind, and the name that each has beside these.

    Args:
        columns: The names of all columns.
        long: Whether there may be several words, or none between them and a number.
    """
    columns = list(columns)
    styles: dict[tuple[str, str, str], dict[str, str]] = {}
    # label_2 and probability_2 are the second most probable class and its probability.
    ranks = {name.casefold().removeprefix("label_") for name in columns if name.casefold().startswith("label_")}
    for side, pattern in (_LONG_STYLES if long else _STYLES).items():
        for column in columns:
            if (found := pattern.fullmatch(column)) and not (
                found["word"].casefold() == "probability" and found["name"] in ranks
            ):
                key = (side, found["word"].casefold(), found["joint"])
                styles.setdefault(key, {})[column] = found["name"]
    return list(styles.values())


def all_styles(columns: Iterable[str]) -> list[dict[str, str]]:
    """Those of `by_style`, short and long ones.

    Args:
        columns: The names of all columns.
    """
    columns = list(columns)
    found = by_style(columns)
    return found + [style for style in by_style(columns, long=True) if style not in found]


def without_joint(columns: Iterable[str], seen: Sequence[str]) -> list[dict[str, str]]:
    """Columns of a word and a label with nothing between them, as `pcat` and `pdog`, if all labels have one.

    Args:
        columns: The names of all columns.
        seen: The labels that occur.
    """
    columns, first, found = list(columns), max(seen, key=len), []
    for before in sorted({name.removesuffix(first) for name in columns if name.endswith(first)}):
        named = {name: name.removeprefix(before) for name in columns if name.startswith(before) and name != before}
        if re.fullmatch(_SURE, before, re.IGNORECASE) and {*seen} <= {*named.values()}:
            found.append(named)
    return found


def best_style(styles: Sequence[dict[str, str]], seen: Sequence[str]) -> dict[str, str]:
    """The style of which most names are labels; empty if none has those of two, or of the only one.

    Args:
        styles: The columns of each, with their names.
        seen: The labels that occur.
    """
    known = set(seen)
    best = max(styles, key=lambda one: len(known & set(one.values())), default={})
    matched = len(known & set(best.values()))
    return best if matched >= min(2, len(known)) and len(best) > 1 else {}


def as_labels(style: dict[str, str], seen: Sequence[str]) -> dict[str, str]:
    """The columns of a style with the labels that they are called like but for case, or for a point behind a whole number.

    Args:
        style: The columns, with their names.
        seen: The labels that occur.

    Returns:
        The same; empty if several labels or columns are called alike then.
    """
    labels, names = ({_key(one): one for one in every} for every in (seen, style.values()))
    if len(labels) < len(seen) or len(names) < len(style):
        return {}
    return {column: labels.get(_key(name), without_point(name)) for column, name in style.items()}


def _key(name: str) -> str:
    return without_point(name.strip()).casefold()
