"""Shell commands to suggest, built from fields of a configuration so that no flag is spelled out elsewhere."""

import shlex
from collections.abc import Iterator
from dataclasses import Field
from importlib import import_module
from typing import Any

from dlcli.specs.option import declared, flag


def config_class(command: str) -> type[Any]:
    """The configuration of a subcommand, such as `TrainConfig` for `train`."""
    module = import_module(f"dlcli.specs.{command.replace('-', '_')}")
    found = (kind for name, kind in vars(module).items() if name.endswith("Config") and kind.__module__ == module.__name__)
    config: type[Any] = next(found)
    return config


def command_line(command: str, **values: Any) -> str:
    """The shell command that runs `command` with these fields of its configuration.

    `command_line("train", data="mine.npz", epochs=5)` is `dlcli train --data mine.npz --epochs 5`.

    Args:
        command: Name of the subcommand, such as `convert-2d-to-3d`.
        **values: Field names of its configuration and what to set them to. True gives the flag alone, a tuple repeats it;
            a field that is None or False is omitted.

    Returns:
        The command, its words quoted for a shell, positional arguments first and flags in the order given.

    Raises:
        KeyError: If the configuration has no such field.
    """
    fields = {item.name: (item, details) for item, details in declared(config_class(command))}
    chosen = [(*fields[name], value) for name, value in values.items()]
    arguments = [word for item, details, value in chosen if details.argument for word in _words(item, value, positional=True)]
    flags = [word for item, details, value in chosen if not details.argument for word in _words(item, value, positional=False)]
    return shlex.join(["dlcli", command, *arguments, *flags])


def _words(item: Field[Any], value: Any, *, positional: bool) -> Iterator[str]:
    for one in value if isinstance(value, tuple) else (value,):
        if one is None or one is False:
            continue
        if not positional:
            yield flag(item)
        if one is not True:
            yield str(one)
