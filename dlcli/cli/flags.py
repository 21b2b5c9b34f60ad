"""Messages name fields of a configuration; here those names become the flags that a person types.

The engines are a Python API as well, so what they raise or note names fields, in backticks: `early_stop` needs `dev=0.1`. At
the shell the same sentence reads: --early-stop needs --dev 0.1.
"""

import re
from functools import cache
from importlib import import_module
from typing import Any

from dlcli.cli.command import SUBCOMMANDS
from dlcli.specs.option import declared, flag, key
from dlcli.specs.shared import RunOptions

_FIELD = re.compile(r"`(\w+)(?:=([^`]*))?`")


def with_flags(text: str) -> str:
    """Replace every `field` and `field=value` in `text` that names an option by its flag; other text stays as it is."""
    return _FIELD.sub(_as_flag, text) if "`" in text else text


def _as_flag(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    known = _flags().get(name)
    if known is None:
        return found[0]
    if value is None:
        return known
    return f"{known} {value}" if known.startswith("-") else value


@cache
def _flags() -> dict[str, str]:
    """How each field of each configuration is typed: its flag, or for a positional argument its name in capitals."""
    configs: list[Any] = [import_module(f"dlcli.cli.commands.{name.replace('-', '_')}").COMMAND.config for name in SUBCOMMANDS]
    return {
        item.name: key(item).upper() if details.argument else flag(item)
        for config in (*configs, RunOptions)
        for item, details in declared(config)
    }
