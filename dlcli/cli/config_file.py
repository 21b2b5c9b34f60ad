"""Options in TOML files: one table per command; unknown keys are refused.

A file is named with --config, or found: the nearest dlcli.toml, or pyproject.toml with a table [tool.dlcli], in the current
folder or above it, else the dlcli.toml of the user's settings.
"""

import json
import os
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import Field
from pathlib import Path
from typing import Any

from dlcli.cli.command import COMMANDS
from dlcli.cli.mistyped import meant_option
from dlcli.cli.streams import printable
from dlcli.specs.option import declared, key
from dlcli.support.errors import InputError, UsageError
from dlcli.support.paths import config_dir
from dlcli.support.regular_file import check_regular
from dlcli.support.suggest import closest

NAME = "dlcli.toml"
_PROJECT = "pyproject.toml"


def find_config() -> Path | None:
    """The file of options that is in effect where none is named, None if there is none."""
    with suppress(OSError):  # of a current folder that was removed
        here = Path.cwd()
        for folder in (here, *here.parents):
            if os.path.isfile(folder / NAME):
                return folder / NAME
            if os.path.isfile(folder / _PROJECT) and _is_ours(folder / _PROJECT):
                return folder / _PROJECT
    own = config_dir() / NAME
    return own if os.path.isfile(own) else None


def _is_ours(path: Path) -> bool:
    """Whether a pyproject.toml has a table for dlcli; one that cannot be read is the affair of other tools."""
    try:
        text = path.read_text(encoding="utf-8")
        return "dlcli" in text and "dlcli" in tomllib.loads(text).get("tool", {})
    except (OSError, ValueError, RecursionError, AttributeError, TypeError):
        return False


def read_config(path: Path, command: str, fields: list[Field[Any]]) -> dict[str, Any]:
    """The options for `command` in the file, by the name of their field; tables of other commands are ignored.

    Raises InputError if the file cannot be read and UsageError for an unknown key, naming the closest one.
    """
    tables = _load(path)
    if path.name == _PROJECT:
        tables = tables.get("tool", {}).get("dlcli", {})
    for name, content in tables.items():
        if name not in COMMANDS or not isinstance(content, dict):
            raise UsageError(f"{path}: '{name}' is not a table for a command", hint=_meant_table(name, command))
    known = {key(item): item for item in fields}
    options = {name.replace("_", "-"): value for name, value in tables.get(command, {}).items()}
    for name in options:
        if name not in known:
            meant = meant_option(name, known)
            raise UsageError(f"{path}: [{command}] has no option '{name}'", hint=f"did you mean {meant}?" if meant else "")
    return {known[name].name: _as_typed(known[name], value) for name, value in options.items()}


def _meant_table(name: str, command: str) -> str:
    near = closest(name, COMMANDS)
    return f"did you mean [{near}]?" if near else f"write [{command}] above its options"


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


def print_config(command: str, config: Any, sources: Mapping[str, str]) -> int:
    """Print the options in effect as a file that --config reads, with where each comes from; those not set are comments.

    Args:
        command: Name of the subcommand.
        config: Its configuration.
        sources: Where fields that are not at their default come from.

    Returns:
        The exit status.
    """
    lines = (
        _line(key(item), details.show, getattr(config, item.name)) + _comment(sources.get(item.name, ""))
        for item, details in declared(config)
        if not details.typed_only
    )
    sys.stdout.write("\n".join([f"[{command}]", *lines]) + "\n")
    return 0


def _comment(source: str) -> str:
    return f"  # {printable(source)}" if source else ""


def _line(name: str, show: Any, value: Any) -> str:
    if value is None:
        return f"# {name} is not set"
    if show:
        value = show(value)
    elif isinstance(value, Path):
        value = str(value)
    # JSON's strings, numbers and booleans are TOML's too.
    return f"{name} = {printable(json.dumps(value, ensure_ascii=False))}"
