"""The words of the command line that a record keeps, as values of options."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from dlcli.specs.option import Option, declared, flag
from dlcli.specs.shared import RunOptions


class _Named(NamedTuple):
    """An option, how it is declared, and the type of its values."""

    item: Field[Any]
    details: Option
    kind: Any


def given_values(config: type[Any], words: Sequence[str]) -> dict[str, Any]:
    """The values that words of the shell give to options.

    Args:
        config: The configuration of the command.
        words: The words after the name of the command.

    Returns:
        By field, in types that JSON has; only of options that are named.

    Raises:
        ValueError: If a word is neither an option nor the value of one, or a value cannot be read.
    """
    own = _options(config)
    known = {**own, **_options(RunOptions)}
    places = iter([one for name, one in own.items() if name == flag(one.item) and _stands_alone(one.details)])
    found: dict[str, Any] = {}
    for name, word in _pairs(_joined(words, known), known):
        one = next(places, None) if name is None else known[name]
        if one is None:
            raise ValueError(f"'{word}' is not the value of an option")
        field, value = one.item.name, _value(one, word)
        if field in config.__dataclass_fields__:
            found[field] = [*found.get(field, []), *value] if _repeats(one) else value
    return found


def _stands_alone(details: Option) -> bool:
    return details.argument or details.two_ways


def _options(config: type[Any]) -> dict[str, _Named]:
    hints = get_type_hints(config)
    options = [_Named(item, details, hints[item.name]) for item, details in declared(config)]
    return {name: one for one in options for name in (flag(one.item), one.details.short) if name}


def _joined(words: Sequence[str], known: Mapping[str, _Named]) -> list[str]:
    """The words with `--diagnose input` as the flag `--diagnose-input`, as the command line takes it."""
    found: list[str] = []
    for word in words:
        before = found[-1] if found else ""
        if before in known and known[before].kind is bool and f"{before}-{word}" in known and "--" not in found:
            found[-1] += f"-{word}"
        else:
            found.append(word)
    return found


def _pairs(words: Sequence[str], known: Mapping[str, _Named]) -> Iterator[tuple[str | None, str]]:
    """Each flag with its value, "" if it takes none, and None with each word that stands alone."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield from ((None, one) for one in rest)
        elif not word.startswith("-") or word == "-":
            yield None, word
        else:
            name, joint, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
            if name not in known:
                raise ValueError(f"'{name}' is not an option")
            switch = known[name].kind is bool
            yield name, "" if switch else value if joint else next(rest, "")
            if switch and joint:  # -qv is -q and -v
                yield from _pairs([f"-{value}"], known)


def _repeats(one: _Named) -> bool:
    return one.details.parse is None and get_origin(one.kind) is tuple


def _value(one: _Named, word: str) -> Any:
    if one.kind is bool:
        return True
    if one.details.parse is not None:
        return _plain(one.details.parse(word))
    if _repeats(one):
        return [word]
    kinds = get_args(one.kind) if isinstance(one.kind, UnionType) else (one.kind,)
    return _plain(next(kind for kind in kinds if kind is not type(None))(word))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
