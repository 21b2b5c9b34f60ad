"""Messages name fields of a configuration; here those names become the flags that the user types.

The engines are a Python API as well, so what they raise or note names fields, in backticks: `early_stop` needs `dev=0.1`. At
the shell the same sentence reads: --early-stop needs --dev 0.1.
"""

import re
from functools import cache

from dlcli.cli.command import COMMANDS
from dlcli.specs.command_line import config_class
from dlcli.specs.option import declared, flag, key
from dlcli.specs.shared import RunOptions

_FIELD = re.compile(r"`(\w+)(?:=([^`]*))?`")


def with_flags(text: str, command: str) -> str:
    """`text` with every `field` and `field=value` that names an option of `command` written as its flag.

    Other text in backticks stays as it is. The same field may be a flag in one command and a positional argument in another:
    `model` is --model for `attack` and MODEL for `eval`. An option that only other commands have is written as these type it,
    if all do alike. Without a command ("") only the options that all of them share count.
    """
    return _FIELD.sub(lambda found: _as_typed(found, command), text) if "`" in text else text


def _as_typed(found: re.Match[str], command: str) -> str:
    name, value = found[1], found[2]
    typed = _typed(command).get(name) or (_typed_elsewhere().get(name) if command else None)
    if typed is None:
        return found[0]
    if value is None:
        return typed
    if not typed.startswith("-"):
        return value
    return typed if value == "True" else f"{typed} {value}"


@cache
def _typed(command: str) -> dict[str, str]:
    """How each field is typed: its flag, or for a positional argument its name in capitals. `for` is `time_limit` as well."""
    configs = (config_class(command), RunOptions) if command else (RunOptions,)
    options = [one for config in configs for one in declared(config)]
    typed = {item.name: key(item).upper() if details.argument else flag(item) for item, details in options}
    return {key(item).replace("-", "_"): typed[item.name] for item, _ in options} | typed


@cache
def _typed_elsewhere() -> dict[str, str]:
    """How the fields of all commands are typed that are flags, and the same one in each."""
    found: dict[str, set[str]] = {}
    for command in COMMANDS:
        for name, typed in _typed(command).items():
            found.setdefault(name, set()).add(typed)
    alike = {name: next(iter(typed)) for name, typed in found.items() if len(typed) == 1}
    return {name: typed for name, typed in alike.items() if typed.startswith("--")}
