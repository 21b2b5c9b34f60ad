"""The `dlcli` command: imports the subcommand that is called, and turns errors into exit statuses."""

import os
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from dlcli import __version__
from dlcli.cli.command import COMMANDS, SUBCOMMANDS, UTILITIES
from dlcli.cli.exit_codes import ExitCode, explain
from dlcli.cli.streams import open_streams
from dlcli.cli.termination import Terminated, asked_to_end, terminate
from dlcli.support.errors import UsageError
from dlcli.support.launch import launched

_LONGEST = 400
"""Characters of the longest word that an error prints whole."""
_FIRST_S = 8.0
"""Seconds that the first process of torchrun has to print an error that all of them have."""


class _LazyGroup(TyperGroup):
    """Lists the subcommands by name and imports only the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _subcommand(cmd_name)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, commands in (("Commands", SUBCOMMANDS), ("Other commands", UTILITIES)):
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))


def _subcommand(name: str) -> Any:
    from dlcli.cli.declare import declare

    module = import_module(f"dlcli.cli.commands.{name.replace('-', '_')}")
    return typer.main.get_command(declare(module.COMMAND, COMMANDS[name]))


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"dlcli {__version__}\n")
        raise typer.Exit


def _install_completion(asked: bool) -> None:
    if asked:
        from dlcli.cli.completion import install

        sys.stdout.write(f"{install()}\n")
        raise typer.Exit


def _show_completion(asked: bool) -> None:
    if asked:
        from dlcli.cli.completion import show

        show(app)
        raise typer.Exit


app = typer.Typer(
    cls=_LazyGroup,
    add_completion=False,
    help="A deep-learning toolkit for the command line: your models, your data, honest statistics.",
    epilog="Run dlcli COMMAND --help for the options of a command.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    install_completion: bool = typer.Option(
        False,
        "--install-completion",
        help="Install completion for the current shell.",
        callback=_install_completion,
        is_eager=True,
    ),
    show_completion: bool = typer.Option(
        False, "--show-completion", help="Print the completion script of your shell.", callback=_show_completion, is_eager=True
    ),
) -> None:
    pass


def main() -> NoReturn:
    """Run `dlcli` on the command line's arguments and exit."""
    open_streams()
    asked_to_end.clear()
    signal.signal(signal.SIGTERM, terminate)
    try:
        sys.exit(_run(sys.argv[1:]))
    except (KeyboardInterrupt, Terminated):  # a second one, while the first was dealt with
        os._exit(ExitCode.INTERRUPTED)


def _run(arguments: list[str]) -> int:
    try:
        status = _invoke(arguments)
        sys.stdout.flush()
    except BaseException as error:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        # Libraries may turn a signal into an error of theirs, such as one about a module that is half imported.
        status = _fail(Terminated() if asked_to_end else error, arguments)
    return status


def _invoke(arguments: list[str]) -> int:
    if "_DLCLI_COMPLETE" in os.environ:
        from dlcli.cli.completion import complete

        return complete(app, arguments)
    # A subcommand is called directly: going through the group would parse the group's own options first, which
    # imports a validation library and doubles the time of --help.
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    if arguments and arguments[0] not in COMMANDS and not arguments[0].startswith("-"):
        from dlcli.cli.mistyped import refuse_command  # here, so that --help does not pay for what explains errors

        refuse_command(arguments[0])
    direct = bool(arguments) and arguments[0] in COMMANDS
    name = f"dlcli {arguments[0]}" if direct else "dlcli"
    command = _subcommand(arguments[0]) if direct else typer.main.get_command(app)
    try:
        words = _joined(command, arguments[1:]) if direct else list(arguments or ["--help"])
        if direct and ("" in words or any(word.endswith("=") for word in words)):
            _check_paths(arguments[0], words)
        with command.make_context(name, words) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as done:
        return done.exit_code if arguments else ExitCode.USAGE


def _joined(command: Any, words: list[str]) -> list[str]:
    """The words with `--diagnose input` written as the flag `--diagnose-input`, where both are flags of the command."""
    flags = {name for parameter in command.params if getattr(parameter, "is_flag", False) for name in parameter.opts}
    found: list[str] = []
    for word in words:
        if found and found[-1] in flags and f"{found[-1]}-{word}" in flags and "--" not in found:
            found[-1] += f"-{word}"
        else:
            found.append(word)
    return found


def _check_paths(name: str, words: list[str]) -> None:
    """Refuse an empty path, such as that of a variable that is not set, which would mean the current folder."""
    from dlcli.cli.declare import path_flags

    flags = path_flags(import_module(f"dlcli.cli.commands.{name.replace('-', '_')}").COMMAND)
    for word, following in zip(words, [*words[1:], None], strict=True):
        name, equals, value = word.partition("=")
        if name in flags and (value == "" if equals else following == ""):
            raise UsageError(f"{name}: the path is empty")


def _fail(error: BaseException, arguments: list[str]) -> int:
    if isinstance(error, SystemExit):
        raise error
    status, sentence, hint = explain(error)
    _drop_stdout()
    if "--debug" in arguments or "DLCLI_DEBUG" in os.environ:
        import traceback

        traceback.print_exception(error)
    if launched().rank > 0:
        sentence = _after_the_first(sentence)
    if sentence:
        from dlcli.cli.flags import with_flags
        from dlcli.cli.reporter import folded

        name = next((word for word in arguments[:1] if word in COMMANDS), "")
        line = with_flags(" ".join(map(_shortened, f"{sentence} ({hint})".split() if hint else sentence.split())), name)
        with suppress(OSError):
            sys.stderr.write(folded(f"dlcli {name}".rstrip() + f": {line}") + "\n")
    return status


def _after_the_first(sentence: str) -> str:
    """What a further process of torchrun prints of an error, unless the first one has the same.

    The first one prints it then and ends, whereupon torchrun ends this process too.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(_FIRST_S)
    return f"process {launched().rank}: {sentence}" if sentence and not asked_to_end else ""


def _shortened(word: str) -> str:
    """A path of thousands of letters, of which both ends are shown."""
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST // 2]}...{word[-_LONGEST // 4 :]}"


def _drop_stdout() -> None:
    """Flush standard output, or discard what cannot be written: Python would try again at exit and fail with status 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
