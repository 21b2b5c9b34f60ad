"""Shell commands, built from fields of a configuration so that no flag is spelled out elsewhere."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import Field
from importlib import import_module
from itertools import chain
from typing import Any

from dlcli.specs.option import Option, declared, flag


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
    return shlex.join(["dlcli", *_words(command, values)])


def normal_form(command: str, values: Mapping[str, Any]) -> list[str]:
    """The words after `dlcli` that set all options of a run to these values, however they were set.

    Args:
        command: Name of the subcommand.
        values: All fields of its configuration, in types that JSON has; those at their defaults are omitted.

    Returns:
        The command and its options, in the order in which they are declared.
    """
    usual = {item.name: item.default for item, _ in declared(config_class(command))}
    usual = {name: list(value) if isinstance(value, tuple) else value for name, value in usual.items()}
    return _words(command, {name: values[name] for name in usual if values[name] != usual[name]})


def _words(command: str, values: Mapping[str, Any]) -> list[str]:
    fields = {item.name: (item, details) for item, details in declared(config_class(command))}
    spelled = [list(_spelled(*fields[name], value)) for name, value in values.items()]
    flags_last = sorted((words for words in spelled if words), key=lambda words: words[0].startswith("-"))
    return [command, *chain.from_iterable(flags_last)]


def _spelled(item: Field[Any], details: Option, value: Any) -> Iterator[str]:
    """An option with its value as its flag takes it, or a positional argument; one that begins with - needs its flag."""
    if details.show and value is not None and not isinstance(value, str):
        value = details.show(value)
    for one in value if isinstance(value, list | tuple) else (value,):
        if one is None or one is False:
            continue
        if not details.argument or str(one).startswith("-"):
            yield flag(item)
        if one is not True:
            yield str(one)
