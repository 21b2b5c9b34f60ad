"""Hints for names that do not exist: the one that is spelled most alike."""

import difflib
from collections.abc import Iterable


def closest(name: str, names: Iterable[str]) -> str:
    """The entry of `names` that is spelled most like `name`; empty if none is close."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), "")


def did_you_mean(name: str, names: Iterable[str], otherwise: str | None = None) -> str:
    """The hint for a `name` that is not among `names`: the closest one, or a list to choose from.

    `otherwise` replaces the list, for where it would be too long.
    """
    names = list(names)
    near = closest(name, names)
    if near:
        return f"did you mean {near}?"
    return f"choose from {', '.join(names)}" if otherwise is None else otherwise
