"""A second configuration, given as what differs from a first: `baseline`, options as one would type them, or both."""

import shlex
from dataclasses import Field, replace
from types import UnionType
from typing import Any, get_args, get_type_hints

from dlcli.specs.option import Option, declared, flag
from dlcli.support.errors import UsageError

BASELINE = "baseline"


def variant(config: Any, spec: str, *, baseline: dict[str, Any], fixed: frozenset[str]) -> Any:
    """`config` with the options in `spec` changed: `baseline` (what that means is given), `--NAME VALUE ...`, or both so.

    An option to repeat replaces the whole list. `fixed` fields may not differ. Raises UsageError for anything else.
    """
    words = shlex.split(spec)
    if words and words[0] == BASELINE:
        config, words = replace(config, **baseline), words[1:]
        if not words:
            return config
    known = {flag(item): item for item, _ in declared(config) if item.name not in fixed}
    changed: dict[str, Any] = {}
    if not words or len(words) % 2:
        raise UsageError(f"--versus: '{spec}' is not {BASELINE}, nor options with a value each", hint="--versus '--with selu'")
    for name, value in zip(words[::2], words[1::2], strict=True):
        if name not in known:
            raise UsageError(f"--versus: {name} is no option that can differ", hint=f"there are: {', '.join(known)}")
        found = _converted(config, known[name], value)
        item = known[name].name
        changed[item] = (*changed.get(item, ()), *found) if isinstance(found, tuple) and _repeats(known[name]) else found
    return replace(config, **changed)


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
        raise UsageError(f"--versus: {flag(item)}: {error}") from None
