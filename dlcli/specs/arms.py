"""Options with several values: each combination of them is an arm of one comparison."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, TypeVar

from dlcli.specs import parse
from dlcli.specs.option import declared, key, option
from dlcli.support.errors import UsageError
from dlcli.support.plural import count

T = TypeVar("T")
Number = float | tuple[float, ...] | None
"""A number, None for the default, or several numbers to compare."""
Whole = int | tuple[int, ...] | None
"""The same of whole numbers."""
Text = str | tuple[str, ...] | None
"""The same of names."""
_MOST = 50


def numbers_option(default: float | None, help: str, **details: Any) -> Any:
    """An option that takes a number, or several to compare; `details` are further fields of Option."""
    return _compared(parse.floats, default, help, {"metavar": "N[,N...]", **details})


def wholes_option(help: str, *, auto: bool = False, **details: Any) -> Any:
    """An option that takes a whole number, or several to compare; with `auto` also that word, for the default."""
    return _compared(partial(_wholes, auto), None, help, {"metavar": "N[,N...]", **details})


def names_option(help: str, check: Callable[[str], object] = str, **details: Any) -> Any:
    """An option that takes a name, or several to compare; `check` raises ValueError for anything else."""
    return _compared(partial(_names, check), None, help, {"metavar": "NAME[,NAME...]", **details})


def _compared(read: Callable[[Any], tuple[Any, ...] | None], default: Any, help: str, details: dict[str, Any]) -> Any:
    """An option that `read` reads as a tuple of values; a single one stands alone."""
    text = f"{help} Several are compared over seeds."
    return option(default, text, parse=partial(_one_or_several, read), show=_show, compared=True, **details)


def _one_or_several(read: Callable[[Any], tuple[Any, ...] | None], value: Any) -> Any:
    found = None if value is None else read(value)
    if found is None:
        return None
    if len(set(found)) < len(found):
        raise ValueError(f"'{value}' has a value twice")
    return found[0] if len(found) == 1 else found


def _wholes(auto: bool, value: Any) -> tuple[int, ...] | None:
    return None if auto and value == "auto" else parse.whole_numbers(value)


def _names(check: Callable[[str], object], value: Any) -> tuple[str, ...]:
    found = tuple(value) if isinstance(value, (list, tuple)) else tuple(part.strip() for part in str(value).split(","))
    for name in found:
        check(name)
    return found


def _show(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def lists(config: Any) -> tuple[str, ...]:
    """The names of the fields with several values."""
    return tuple(
        item.name for item, details in declared(config) if details.compared and isinstance(getattr(config, item.name), tuple)
    )


def values(value: T | tuple[T, ...]) -> tuple[T, ...]:
    """The value of an option, or its values."""
    return value if isinstance(value, tuple) else (value,)


def one(value: T | tuple[T, ...] | None) -> T | None:
    """The value of an option in an arm, where it has one only; raises ValueError if it has several."""
    if isinstance(value, tuple):
        raise ValueError(f"{value} is not one value")
    return value


def arms(config: Any, dropped: Callable[[dict[str, Any]], Collection[str]] = lambda chosen: ()) -> dict[str, Any]:
    """A configuration for each combination of values, by a name such as `lr=0.01 mixup=0.2`.

    `dropped` takes the values of a combination, and gives the options that go back to their defaults because they do not apply
    then. Raises UsageError for too many combinations.
    """
    names = lists(config)
    keys = {item.name: key(item) for item, _ in declared(config) if item.name in names}
    combinations = list(product(*(getattr(config, name) for name in names)))
    if len(combinations) > _MOST:
        raise UsageError(
            f"`{names[0]}`: {count(len(combinations), 'combination')} of values are more than {_MOST}", hint="give fewer"
        )
    found = {}
    for combination in combinations:
        chosen = dict(zip(names, combination, strict=True))
        name = " ".join(f"{keys[name]}={value}" for name, value in chosen.items())
        # An arm trains one network: what only a comparison takes is that of `config`.
        defaults = {item.name: item.default for item, _ in declared(config) if item.name in dropped(chosen)}
        found[name] = replace(
            config, **defaults | chosen, seeds=None, detect=None, workers=None, cluster=None, label_draws=None
        )
    return found
