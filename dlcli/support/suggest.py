"""Hints for names that do not exist: the one that is spelled most alike."""

import difflib
import os
import re
from collections.abc import Iterable

_FEWEST = 3
_LIKE_A_WORD = 0.75


def closest(name: str, names: Iterable[str]) -> str:
    """The entry of `names` that is spelled most like `name`; empty if none is close.

    The first three letters or more suffice where only one name begins with them. Of names in several words, such as
    `horizontal-flip`, a single word suffices where no whole name is close.
    """
    names = list(names)
    typed = name.lower()
    begin = [one for one in names if len(typed) >= _FEWEST and one.lower().startswith(typed)]
    if len(begin) == 1:
        return begin[0]
    near = difflib.get_close_matches(typed, [*names, *(one.lower() for one in names)], n=1)
    if near:
        return next(one for one in names if near[0] in (one, one.lower()))
    word = {part: one for one in reversed(names) for part in re.split("[-_ ]", one.lower())}
    within = difflib.get_close_matches(typed, list(word), n=1, cutoff=_LIKE_A_WORD)
    return word[within[0]] if within else ""


def did_you_mean(name: str, names: Iterable[str], otherwise: str | None = None) -> str:
    """The hint for a `name` that is not among `names`: the closest one, or a list to choose from.

    `otherwise` replaces the list, for where it would be too long. Without any there is no hint.
    """
    names = list(names)
    near = closest(name, names)
    if not names and otherwise is None:
        return ""
    if near:
        return f"did you mean {near}?"
    return f"choose from {', '.join(names)}" if otherwise is None else otherwise


def meant_path(typed: str, names: Iterable[str] = ()) -> str:
    """The hint for a path `typed` that is not there: what its folder has of nearly that name, or one of `names`; else empty.

    Nothing is meant by a path that is there and of the wrong kind, as a pipe.
    """
    folder, name = os.path.split(typed)
    try:
        there = sorted(one for one in os.listdir(folder or ".") if not one.startswith(".") and one.isprintable())
    except OSError:
        there = []
    names = [] if folder else list(names)
    near = closest(name, [*names, *there])
    found = near if near in names else os.path.join(folder, near)
    return f"did you mean {found}?" if near and found != typed else ""
