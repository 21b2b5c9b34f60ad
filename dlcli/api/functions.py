"""The functions themselves: each runs the engine of a command, and writes what the command writes."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from inspect import Signature
from typing import Any

from dlcli.api.inputs import in_one_process, values_of
from dlcli.api.reporting import reporter
from dlcli.api.signature import RESULTS, command_of, parameters, result_names, signature
from dlcli.cli.command import SUBCOMMANDS, Command
from dlcli.specs.command_line import config_class
from dlcli.support.cublas import fix_workspace
from dlcli.support.launch import launched
from dlcli.support.suggest import did_you_mean

FUNCTIONS = tuple(RESULTS)
"""Names of all functions."""


def make_function(name: str) -> Callable[..., Any]:
    """The function of this name, with the signature and the help of its command."""
    expected = signature(name)

    def function(*args: Any, **options: Any) -> Any:
        given = _bound(name, expected, args, options)
        progress = bool(given.pop("progress", False))
        return _run(name, given, progress=progress)

    function.__name__ = function.__qualname__ = name
    function.__module__ = "dlcli"
    function.__doc__ = _help(name)
    function.__signature__ = expected  # type: ignore[attr-defined]
    return function


def _bound(name: str, expected: Signature, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name; raises TypeError as Python does, with the keyword that is meant."""
    for option in options:
        if option not in expected.parameters:
            hint = did_you_mean(option, expected.parameters, f"help(dlcli.{name}) lists all")
            raise TypeError(f"{name}() got an unexpected keyword argument '{option}' ({hint})")
    try:
        return expected.bind(*args, **options).arguments
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None


def _run(name: str, given: dict[str, Any], *, progress: bool) -> Any:
    """Run the engine; with an output, under its lock and with the files and the record that the command leaves there."""
    short = command_of(name)
    config = in_one_process(config_class(short)(**values_of(name, given)))
    command: Command = import_module(f"dlcli.cli.commands.{short.replace('-', '_')}").COMMAND
    engine = import_module(command.engine)
    fix_workspace()
    with ExitStack() as stack:
        report = reporter(progress=progress)
        if hasattr(report, "close"):
            stack.callback(report.close)
        if config.output is None or (command.together and launched().rank > 0):  # then the first process writes
            return engine.run(config, report=report)
        return _written(command, config, engine, report)


def _written(command: Command, config: Any, engine: Any, report: Any) -> Any:
    from dlcli.cli import output
    from dlcli.cli.execute import lock_output, record
    from dlcli.cli.exit_codes import ExitCode
    from dlcli.cli.record_folder import check_folder, replacing
    from dlcli.support.atomic import remove_stale
    from dlcli.support.finish import finishing
    from dlcli.support.record import Start

    started = Start(datetime.now(UTC), time.monotonic())
    if command.rows:
        output.rows_form(config.output, "auto")
    check_folder(command, config.output)
    with lock_output(config.output), finishing():
        remove_stale(config.output)
        with replacing(command, config):
            result = engine.run(config, report=report)
        if result.KIND == "rows":
            output.save_rows(result.table, config.output)
        elif result.KIND == "single":
            status = ExitCode.CHECK_FAILED if result.failed else ExitCode.DONE
            record(command, config, result, started, status)
    return result


def _help(name: str) -> str:
    """Summary, parameters and result, from the options of the command."""
    lines = [SUBCOMMANDS[command_of(name)], "", f"What `dlcli {command_of(name)}` does, with the same result.", "", "Args:"]
    lines += [f"    {one.name}: {one.help}" for one in parameters(name)]
    return "\n".join([*lines, "", "Returns:", f"    {' or '.join(result_names(name))}.", ""])
