"""Options in TOML files: one table per command; unknown keys are refused."""

import json
import sys
import tomllib
from dataclasses import Field
from pathlib import Path
from typing import Any

from dlcli.cli.command import COMMANDS
from dlcli.cli.mistyped import meant_option
from dlcli.cli.streams import printable
from dlcli.specs.option import declared, key
from dlcli.support.errors import InputError, UsageError
from dlcli.support.regular_file import check_regular


def read_config(path: Path, command: str, fields: list[Field[Any]]) -> dict[str, Any]:
    """The options for `command` in the file, by the name of their field; tables of other commands are ignored.

    Raises InputError if the file cannot be read and UsageError for an unknown key, naming the closest one.
    """
    tables = _load(path)
    for name, content in tables.items():
        if name not in COMMANDS or not isinstance(content, dict):
            raise UsageError(f"{path}: '{name}' is not a table for a command", hint=f"write [{command}] above its options")
    known = {key(item): item for item in fields}
    options = {name.replace("_", "-"): value for name, value in tables.get(command, {}).items()}
    for name in options:
        if name not in known:
            meant = meant_option(name, known)
            raise UsageError(f"{path}: [{command}] has no option '{name}'", hint=f"did you mean {meant}?" if meant else "")
    return {known[name].name: _as_typed(known[name], value) for name, value in options.items()}


def _load(path: Path) -> dict[str, Any]:
    check_regular(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: TOML nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, or an integer of too many digits
        raise InputError(f"{path}: is not TOML: {str(error).partition(';')[0]}") from None


def _as_typed(item: Field[Any], value: Any) -> Any:
    """A list as it would be typed, so that files and flags share a parser; the list of a repeatable option stays a list."""
    parsed = isinstance(value, list) and item.metadata["option"].parse
    return ",".join(str(part) for part in value) if parsed else value


def print_config(command: str, config: Any) -> int:
    """Print the options in effect as a file that --config reads; those that are not set are comments."""
    lines = (
        _line(key(item), details.show, getattr(config, item.name))
        for item, details in declared(config)
        if not details.typed_only
    )
    sys.stdout.write("\n".join([f"[{command}]", *lines]) + "\n")
    return 0


def _line(name: str, show: Any, value: Any) -> str:
    if value is None:
        return f"# {name} is not set"
    if show:
        value = show(value)
    elif isinstance(value, Path):
        value = str(value)
    # JSON's strings, numbers and booleans are TOML's too.
    return f"{name} = {printable(json.dumps(value, ensure_ascii=False))}"
