"""Options in TOML files: one table a command, unknown keys refused."""

import difflib
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from dlcli.cli.command import SUBCOMMANDS
from dlcli.specs.option import declared
from dlcli.support.errors import InputError, UsageError


def read_config(path: Path, command: str, keys: list[str]) -> dict[str, Any]:
    """The options for `command` in the file, by field name; tables of other commands are passed over.

    Raises InputError if the file cannot be read and UsageError for a key that is no option, naming the nearest.
    """
    tables = _load(path)
    for name, content in tables.items():
        if name not in SUBCOMMANDS or not isinstance(content, dict):
            raise UsageError(f"{path}: '{name}' is not a table for a command", hint=f"write [{command}] above its options")
    options = {key.replace("-", "_"): value for key, value in tables.get(command, {}).items()}
    for key in options:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            raise UsageError(f"{path}: [{command}] has no option '{key}'", hint=f"did you mean {near[0]}?" if near else "")
    return {key: _as_typed(value) for key, value in options.items()}


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: is not TOML: {error}") from None


def _as_typed(value: Any) -> Any:
    """A list as one would type it, so that a file and a flag go through the same parser."""
    return ",".join(str(item) for item in value) if isinstance(value, list) else value


def print_config(command: str, config: Any) -> int:
    """Print the options in force as a file that --config reads; those that are not set stand as comments."""
    lines = (_line(item.name, details.show, getattr(config, item.name)) for item, details in declared(config))
    sys.stdout.write("\n".join([f"[{command}]", *lines]) + "\n")
    return 0


def _line(name: str, show: Any, value: Any) -> str:
    key = name.replace("_", "-")
    if value is None:
        return f"# {key} is not set"
    if show:
        value = show(value)
    elif isinstance(value, Path):
        value = str(value)
    # JSON's strings, numbers and booleans are TOML's too.
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"
