"""Builds a Typer command from a configuration dataclass: flags, environment variables, TOML and help."""

import inspect
import sys
from dataclasses import Field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import typer

from dlcli.cli import config_file
from dlcli.cli.command import Command
from dlcli.cli.completers import completion
from dlcli.cli.flags import with_flags
from dlcli.cli.mistyped import unknown_variables, variables
from dlcli.cli.run_options import checked_run_options
from dlcli.cli.sections import OTHER_WAY, SectionedCommand
from dlcli.cli.streams import printable
from dlcli.specs.code import check_trust
from dlcli.specs.option import Option, declared, flag, key, range_in_words
from dlcli.specs.shared import RunOptions
from dlcli.support.errors import UsageError

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_NOT_IN_FILES = ("no_config", "config", "print_config", "dry_run", "debug")
_FOUND = "dlcli.config"
"""Key in the context's `meta` of the file that options were read from."""


def declare(command: Command, summary: str) -> typer.Typer:
    """The Typer application of one subcommand; `summary` opens its help."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command(command.name, cls=SectionedCommand, help=summary, epilog=_epilog(command), context_settings=SETTINGS)(
        _body(command)
    )
    return app


def _body(command: Command) -> Any:
    def body(context: typer.Context, **values: Any) -> int:
        typed = _take_other_ways(command, context, values)
        run = RunOptions(**{item.name: values.pop(item.name) for item, _ in declared(RunOptions)})
        run = checked_run_options(context, run)
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        config = command.config(**command.adjust(values))
        _check_code(context, config, typed)
        for warning in unknown_variables(command.name):
            sys.stderr.write(f"warning: {printable(warning)}\n")
        if run.print_config:
            return config_file.print_config(command.name, config, _sources(context, config, typed))
        if run.config is None and not run.quiet:
            _tell_found(context, config, typed)
        from dlcli.cli.execute import execute  # here, so that --help does not pay for locks, records and output

        return execute(command, config, run)

    first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [first, *_parameters(command, command.config), *_parameters(command, RunOptions)]
    body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    body.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return body


def _sources(context: typer.Context, config: Any, typed: set[str]) -> dict[str, str]:
    """Where each field that is not at its default comes from: the command line, the environment or a file."""
    names = {"COMMANDLINE": "command line", "ENVIRONMENT": "environment", "DEFAULT_MAP": str(context.meta.get(_FOUND, ""))}
    found = {item.name: getattr(context.get_parameter_source(item.name), "name", "") for item, _ in declared(config)}
    found |= dict.fromkeys(typed, "COMMANDLINE")
    return {name: names[source] for name, source in found.items() if source in names}


def _tell_found(context: typer.Context, config: Any, typed: set[str]) -> None:
    """Name the options that come from a file which was not named on the command line."""
    path = str(context.meta.get(_FOUND, ""))
    found = [name.replace("_", "-") for name, source in _sources(context, config, typed).items() if path and source == path]
    if found:
        sys.stderr.write(printable(f"options from {path}: {', '.join(found)}") + "\n")


def _check_code(context: typer.Context, config: Any, typed: set[str]) -> None:
    """Refuse code that a --config file names; the command line and the environment are the user's own words.

    `typed` are the fields that were given in the other of their two ways.
    """
    if getattr(config, "trust_code", False):
        return
    for item, details in declared(config):
        source = context.get_parameter_source(item.name)
        if details.names_code and item.name not in typed and source is not None and source.name == "DEFAULT_MAP":
            check_trust(item.name, getattr(config, item.name))


def _parameters(command: Command, config: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(config)
    found = []
    for item, details in declared(config):
        found.append(_parameter(command, config, item, details, hints[item.name]))
        if details.two_ways:
            kind = Annotated[str | None, _other_way(item, details)]
            name = item.name + OTHER_WAY
            found.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind))
    return found


def _other_way(item: Field[Any], details: Option) -> Any:
    """The flag of a positional argument, or the positional argument of a flag."""
    word, extra = key(item).upper(), {"show_default": False, **_completion(item, details)}
    if details.argument:
        return typer.Option(flag(item), help=f"The same as {word}.", metavar=details.metavar.strip("[]") or word, **extra)
    return typer.Argument(help=f"The same as {flag(item)}.", metavar=word, **extra)


def _take_other_ways(command: Command, context: typer.Context, values: dict[str, Any]) -> set[str]:
    """Store values that were given in the other of two ways under the name of their option; returns these names."""
    typed = set()
    for item, details in declared(command.config):
        given = values.pop(item.name + OTHER_WAY) if details.two_ways else None
        if given is None:
            continue
        source = context.get_parameter_source(item.name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{flag(item)}: {key(item)} is given twice", hint=f"drop either {flag(item)} or '{given}'")
        values[item.name] = given
        typed.add(item.name)
    return typed


def _parameter(command: Command, config: type[Any], item: Field[Any], details: Option, hint: Any) -> inspect.Parameter:
    default = details.show(item.default) if details.show and item.default is not None else item.default
    default = list(default) if isinstance(default, tuple) else default
    extra = _extra(command, item, details)
    info: Any = typer.Argument(**extra) if details.argument else typer.Option(*_flags(item, details), **extra)
    if config is RunOptions and item.name in ("no_config", "config"):
        info.is_eager = True
        info.callback = _read_config(command) if item.name == "config" else None
    return inspect.Parameter(
        item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[_type(details, hint), info]
    )


def path_flags(command: Command) -> set[str]:
    """The flags of options that are paths."""
    found: set[str] = set()
    for config in (command.config, RunOptions):
        hints = get_type_hints(config)
        for item, details in declared(config):
            if hints[item.name] is Path or Path in get_args(hints[item.name]):
                found.update(_flags(item, details))
    return found


def _flags(item: Field[Any], details: Option) -> list[str]:
    return [*filter(None, [details.short]), flag(item)]


def _type(details: Option, hint: Any) -> Any:
    if details.parse:
        return str
    if details.choices:
        chosen: Any = Literal.__getitem__(details.choices())
        return chosen | None if type(None) in getattr(hint, "__args__", ()) else chosen
    return list[str] if hint == tuple[str, ...] else hint


def _extra(command: Command, item: Field[Any], details: Option) -> dict[str, Any]:
    help, bounds = with_flags(details.help.replace("{command}", command.name), command.name), range_in_words(details)
    help += f"  [{bounds}]" if bounds else ""
    extra: dict[str, Any] = {"help": help, "show_default": item.default not in (None, False, "", ())}
    if item.name not in ("print_config", "dry_run") and not details.typed_only:
        extra |= {"envvar": variables(command.name, key(item)), "show_envvar": False}
    if details.parse:
        extra["parser"] = details.parse
    extra |= _completion(item, details)
    if item.type in (Path, Path | None):
        extra["readable"] = False  # what reads it tells more, and what only writes there need not read
    metavar = details.metavar or _metavar(item, details)
    if metavar:
        extra["metavar"] = metavar.strip("[]") if details.argument else metavar  # Typer sets brackets
    return extra


def _completion(item: Field[Any], details: Option) -> dict[str, Any]:
    """How Typer completes values; the names of an option with fixed choices it knows."""
    complete = completion(key(item), item.type, details.choices) if details.parse or not details.choices else None
    return {"autocompletion": complete} if complete else {}


def _metavar(item: Field[Any], details: Option) -> str:
    """What to type for a value, where the option does not say: its choices, or a word for numbers."""
    if details.choices:
        return "|".join(details.choices())
    kinds = (item.type, *get_args(item.type))
    if int in kinds:
        return "N"
    if float in kinds:
        return "FRACTION" if 0 < (details.maximum or details.below or 0) <= 1 else "NUMBER"
    return "PATH" if Path in kinds else ""


def _read_config(command: Command) -> Any:
    both = [*declared(command.config), *declared(RunOptions)]
    options = [item for item, details in both if item.name not in _NOT_IN_FILES and not details.typed_only]

    def callback(context: typer.Context, path: Path | None) -> Path | None:
        searched = not context.params.get("no_config") and not context.resilient_parsing
        source = path or (config_file.find_config() if searched else None)
        if source is not None:
            # The command line's own order does the rest: a flag, then DLCLI_*, then this map, then the default.
            context.default_map = config_file.read_config(source, command.name, options)
            context.meta[_FOUND] = source
        return path

    return callback


def _epilog(command: Command) -> str:
    examples = "\n".join(f"  {line}" for line in command.examples)
    elsewhere = "An option can also be set as DLCLI_NAME in the environment (DLCLI_SEED=1) or in a --config file."
    return f"\b\nExamples:\n{examples}\n\n{elsewhere}"
