"""A second configuration, given as its differences from a first: `baseline`, options as typed at the shell, or both."""

import shlex
from collections.abc import Callable, Collection
from dataclasses import Field, replace
from types import UnionType
from typing import Any, get_args, get_type_hints

from dlcli.specs.option import Option, declared, flag
from dlcli.support.errors import UsageError
from dlcli.support.suggest import did_you_mean

BASELINE = "baseline"


def variant(
    config: Any,
    spec: str,
    *,
    baseline: dict[str, Any],
    fixed: frozenset[str],
    dropped: Callable[[dict[str, Any]], Collection[str]] = lambda changed: (),
) -> Any:
    """Change the options of a configuration that `spec` names.

    Args:
        config: Configuration to change; it stays as it is.
        spec: `baseline`, or `--NAME VALUE ...`, or the first followed by the second. A repeatable option replaces the whole
            list.
        baseline: Fields and values that the word `baseline` stands for.
        fixed: Names of fields that may not differ.
        dropped: Takes the fields that differ, and gives those that go back to their defaults because they do not apply then.

    Returns:
        A configuration of the same class.

    Raises:
        UsageError: If `spec` is anything else.
    """
    try:
        words = shlex.split(spec)
    except ValueError as error:
        raise UsageError(f"`versus`: '{spec}': {str(error).lower()}") from None
    if words and words[0] == BASELINE:
        config, words = replace(config, **baseline), words[1:]
        if not words:
            return config
    known = {flag(item): item for item, _ in declared(config) if item.name not in fixed}
    changed: dict[str, Any] = {}
    if not words or len(words) % 2:
        raise UsageError(
            f"`versus`: '{spec}' must be {BASELINE}, or options with one value per option", hint="for example '`surgery=selu`'"
        )
    for name, value in zip(words[::2], words[1::2], strict=True):
        if (shared := _shared(config, name, fixed)) is not None:
            message = f"`versus`: {name} is not a difference, for both variants share it"
            raise UsageError(message, hint=f"give `{shared}={value}` beside `versus`, for both")
        if name not in known:
            raise UsageError(f"`versus`: unknown option {name}", hint=did_you_mean(name, known))
        found = _converted(config, known[name], value)
        item = known[name].name
        changed[item] = (*changed.get(item, ()), *found) if isinstance(found, tuple) and _repeats(known[name]) else found
    defaults = {item.name: item.default for item, _ in declared(config) if item.name in dropped(changed)}
    return replace(config, **defaults | changed)


def _shared(config: Any, name: str, fixed: frozenset[str]) -> str | None:
    """The field of an option that may not differ."""
    return next((item.name for item, _ in declared(config) if item.name in fixed and flag(item) == name), None)


def names_field(config: Any, spec: str, field: str) -> bool:
    """Whether `spec`, as `variant` takes it, names the option of this field of a configuration."""
    return _flag_of(config, field) in shlex.split(spec)


def with_field(config: Any, spec: str, field: str, value: object) -> str:
    """A variant that sets one option more.

    Args:
        config: The configuration.
        spec: A variant of it, as `variant` takes it, or "" for none.
        field: The field of the option.
        value: What it is set to.

    Returns:
        Both as one text.
    """
    return f"{spec} {_flag_of(config, field)} {value}".strip()


def _flag_of(config: Any, field: str) -> str:
    return next(flag(item) for item, _ in declared(config) if item.name == field)


def _repeats(item: Field[Any]) -> bool:
    return item.default == ()


def _converted(config: Any, item: Field[Any], value: str) -> Any:
    details: Option = item.metadata["option"]
    hint = get_type_hints(type(config))[item.name]
    kind = next(part for part in (get_args(hint) if isinstance(hint, UnionType) else (hint,)) if part is not type(None))
    try:
        if details.parse:
            return details.parse(value)
        return (value,) if _repeats(item) else kind(value)
    except ValueError as error:
        raise UsageError(f"`versus`: {flag(item)}: {error}") from None


def given_name(config: Any, spec: str, baseline: Collection[str] = ("surgery",)) -> str:
    """What a configuration is called beside its variant `spec`: the options that this changes, with the values given.

    Args:
        config: The configuration.
        spec: Its variant, as `variant` takes it.
        baseline: Fields that the word `baseline` stands for.

    Returns:
        `lr 0.005` as flags beside a variant of another `lr`, and `default` with the flag where none was given.
    """
    words = shlex.split(spec)
    known = {flag(item): item for item, _ in declared(config)}
    names = [name for name, item in known.items() if item.name in baseline] if words[0] == BASELINE else []
    names += [word for word in words if word in known]
    name = " ".join(_given(config, known[one]) for one in dict.fromkeys(names))
    return f"{name} (as given)" if name == spec else name


def _given(config: Any, item: Field[Any]) -> str:
    value, name = getattr(config, item.name), flag(item)
    if value is None or value == ():
        return f"default {name}"
    show = item.metadata["option"].show
    shown = (show(value),) if show else value if isinstance(value, tuple) else (value,)
    return " ".join(f"{name} {one}" for one in shown)
