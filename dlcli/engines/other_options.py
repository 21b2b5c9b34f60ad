"""How a stopped run differs from the one that would resume it, in words that name options."""

from collections.abc import Iterable, Mapping
from typing import Any

from dlcli.specs.option import declared
from dlcli.specs.parse import show_number

_CHOSEN = ("data", "limit", "size", "dev")
"""The options that decide which images and labels there are."""


def other_options(before: Mapping[str, Any], now: Mapping[str, Any], config: Any, follow: Mapping[str, Iterable[str]]) -> str:
    """What a stopped run was started with that differs: "`epochs=300`, not 200, and `seed=0`, not 1".

    Args:
        before: What determined the stopped run, in the terms of JSON: values of options by the names of their fields, and
            other facts by their names in words. Those of `data` are a digest.
        now: The same of the run that would resume it.
        config: Configuration of the command, an instance or a class.
        follow: Names of facts that follow from another one, by its name; omitted where that differs too.

    Returns:
        The differences in words, which go on from "was started with"; empty if there is none.
    """
    other = [name for name in dict.fromkeys([*now, *before]) if before.get(name) != now.get(name)]
    implied = {one for name in other for one in follow.get(name, ())}
    options = {item.name for item, _ in declared(config)}
    said = [_in_words(name, before.get(name), now.get(name), options) for name in other if name not in implied]
    return ", and ".join(said)


def _in_words(name: str, before: Any, now: Any, options: Iterable[str]) -> str:
    if name == "data":
        chosen = ", ".join(f"`{one}`" for one in _CHOSEN if one in options)
        return f"other images or labels ({chosen} choose them)"
    if name not in options:
        return name if name.startswith("other ") else f"another {name}"
    typed = f"`{name}={_as_typed(before)}`" if _is_set(before) else f"no `{name}`"
    return f"{typed}, not {_as_typed(now) if _is_set(now) and now is not True else 'with it' if _is_set(now) else 'without it'}"


def _is_set(value: Any) -> bool:
    return value is not None and value is not False and value != []


def _as_typed(value: Any) -> str:
    """A value that was read from JSON, as its flag takes it."""
    if isinstance(value, list):
        return ",".join(map(_as_typed, value))
    return show_number(value) if isinstance(value, float) else str(value)
