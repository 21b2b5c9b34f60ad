"""Options with several values: each combination of them is an arm of one comparison."""

from dataclasses import fields, replace
from itertools import product
from typing import Any

from dlcli.specs import parse
from dlcli.specs.option import key, option
from dlcli.support.errors import UsageError

Number = float | tuple[float, ...] | None
"""A number, None for the default, or several numbers to compare."""
_MOST = 50


def numbers_option(default: float | None, help: str, **details: Any) -> Any:
    """An option that takes a number, or several to compare; `details` are further fields of Option."""
    shown = {"metavar": "N[,N...]", **details}
    return option(default, f"{help} Several are compared over seeds.", parse=_numbers, show=_show, **shown)


def _numbers(value: Any) -> Number:
    if value is None:
        return None
    found = parse.floats(value)
    if len(set(found)) < len(found):
        raise ValueError(f"'{value}' has a value twice")
    return found[0] if len(found) == 1 else found


def _show(value: Number) -> str:
    return ",".join(map(repr, value)) if isinstance(value, tuple) else repr(value)


def lists(config: Any) -> tuple[str, ...]:
    """The names of the fields with several values."""
    return tuple(item.name for item in fields(config) if item.type == Number and isinstance(getattr(config, item.name), tuple))


def one(value: Number) -> float | None:
    """The value of an option in an arm, where it has one only; raises ValueError if it has several."""
    if isinstance(value, tuple):
        raise ValueError(f"{value} is not one value")
    return value


def arms(config: Any) -> dict[str, Any]:
    """A configuration for each combination of values, by a name such as `lr=0.01 mixup=0.2`; raises UsageError for too many."""
    names = lists(config)
    keys = {item.name: key(item) for item in fields(config) if item.name in names}
    combinations = list(product(*(getattr(config, name) for name in names)))
    if len(combinations) > _MOST:
        raise UsageError(f"`{names[0]}`: {len(combinations)} combinations of values are more than {_MOST}", hint="give fewer")
    found = {}
    for values in combinations:
        chosen = dict(zip(names, values, strict=True))
        name = " ".join(f"{keys[name]}={value!r}" for name, value in chosen.items())
        # An arm trains one network: what only a comparison takes is that of `config`.
        found[name] = replace(config, **chosen, seeds=None, workers=None)
    return found
