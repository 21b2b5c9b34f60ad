"""Runs an engine the same way for every command: lock, run, print the result, write the record, return an exit status."""

import errno
import logging
import os
import sys
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from dlcli.cli import output
from dlcli.cli.command import Command
from dlcli.cli.exit_codes import ExitCode
from dlcli.cli.flags import with_flags
from dlcli.cli.record_folder import RECORD, check_folder, replacing
from dlcli.cli.reporter import TerminalReporter, folded, starting
from dlcli.cli.streams import check_stdout, printable
from dlcli.cli.termination import end_if_asked
from dlcli.specs.command_line import normal_form
from dlcli.specs.option import declared
from dlcli.specs.shared import RunOptions
from dlcli.support.allocator import keep_freed
from dlcli.support.atomic import remove_stale
from dlcli.support.cublas import fix_workspace
from dlcli.support.errors import InputError, ResourceError, UsageError
from dlcli.support.finish import finishing
from dlcli.support.launch import launched
from dlcli.support.lock import locked
from dlcli.support.record import Start, write_record

_REFUSED = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EINVAL)
"""What the system answers where a place cannot be written."""


def execute(command: Command, config: Any, run: RunOptions) -> int:
    """Run the engine of `command` and show its result; returns the exit status."""
    try:
        if command.rows and config.output is not None and config.output.is_dir():
            raise UsageError(f"`output`: {config.output} is a folder", hint="name a file in it")
        return _execute(command, config, run)
    except SystemExit as error:
        raise InputError(f"the code of the network ended the program: SystemExit: {error}") from None
    except OSError as error:
        raise _refusal(error, config) from error


def _refusal(error: OSError, config: Any) -> Exception:
    """What the system refused: writing, if it is about an output of the command that is no file which may not be read."""
    if not isinstance(error.filename, str) or error.errno not in _REFUSED:
        return error
    path = Path(error.filename)
    outputs = [value for item, details in declared(config) if details.writes and (value := getattr(config, item.name))]
    unreadable = os.path.isfile(path) and not os.access(path, os.R_OK)
    if unreadable or not any(path == output or output in path.parents or path in output.parents for output in outputs):
        return error
    if not isinstance(error, PermissionError):
        why = "is a file, not a folder" if path.is_file() else f"cannot be written: {str(error.strerror).lower()}"
        return ResourceError(f"{path}: {why}", hint="name another place")
    return ResourceError(
        f"{path}: may not be written", hint="check its permissions and those of its folder, or name another place"
    )


def _check_launch(command: Command) -> None:
    """Refuse to run a command as often as torchrun starts it: each process would write the same."""
    if launched().size > 1 and not command.together:
        message = f"torchrun starts {launched().size} processes, and `dlcli {command.name}` runs in one"
        raise UsageError(message, hint="start it without torchrun; dlcli train is for several")


def _execute(command: Command, config: Any, run: RunOptions) -> int:
    _check_launch(command)
    check_stdout(config.output)
    check_folder(command, config.output)
    if command.rows:
        output.check_rows_form(config, run.format)
    with starting(command.name, quiet=run.quiet):
        engine = import_module(command.engine)
    end_if_asked()
    first = launched().rank == 0
    if run.dry_run:
        lines = engine.plan(config)
        sys.stdout.writelines(printable(with_flags(line, command.name)) + "\n" for line in lines if first)
        return ExitCode.DONE
    if not run.verbose:
        _hush_libraries()
    keep_freed()
    fix_workspace()
    if not first:
        with TerminalReporter(command.name, quiet=True) as reporter:
            return ExitCode.CHECK_FAILED if engine.run(config, report=reporter).failed else ExitCode.DONE
    started = Start(datetime.now(UTC), time.monotonic())
    reporting = TerminalReporter(command.name, quiet=run.quiet, verbose=run.verbose)
    folders = output.missing_folders(config)
    with lock_output(config.output), finishing(), reporting as reporter:
        if config.output is not None:
            remove_stale(config.output)
        with replacing(command, config):
            result = engine.run(config, report=reporter)
        status = ExitCode.CHECK_FAILED if result.failed else ExitCode.DONE
        reporter.close()
        if config.output is not None and result.KIND == "single":  # first, for the reader of the output may have gone
            record(command, config, result, started, status)
        output.show(command, config, result, run, reporter)
    output.name_folders(folders, reporter)
    output.name_files(config, started.time.timestamp(), reporter)
    if result.failed:
        sys.stderr.write(folded(with_flags(f"dlcli {command.name}: {result.failed}", command.name)) + "\n")
    return status


def _hush_libraries() -> None:
    """Suppress the logs and warnings of libraries, which are for developers; -v shows them."""
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


def lock_output(target: Path | None) -> AbstractContextManager[None]:
    """Hold the lock of an output, if there is one that is no device or pipe; see `locked`."""
    regular = target is not None and (target.is_file() or target.is_dir() or not target.exists())
    return locked(target) if target is not None and regular else nullcontext()


def record(command: Command, config: Any, result: Any, started: Start, status: int) -> None:
    """Write run.json to the output folder.

    Args:
        command: The subcommand.
        config: Its configuration.
        result: What its engine returned.
        started: When the run began.
        status: The exit status, or what it would be.
    """
    values = {item.name: output.plain(getattr(config, item.name), command.name) for item, _ in declared(config)}
    read = [getattr(config, item.name) for item, details in declared(config) if details.reads]
    write_record(
        config.output / RECORD,
        command=command.name,
        arguments=normal_form(command.name, values),
        config=values,
        inputs=[Path(name) for name in read if name],
        started=started,
        result=output.plain(result, command.name),
        status=status,
    )
