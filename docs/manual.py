"""Manual pages (`man dlcli-attack`) from what `--help` is made of."""

from importlib import import_module
from typing import Any

from typer.main import get_command

from dlcli import __version__
from dlcli.cli.app import app
from dlcli.cli.command import COMMANDS
from dlcli.cli.declare import declare
from dlcli.cli.exit_codes import MEANINGS

_FILES = {
    "dlcli.toml": "Options, in a table for each command, here or above; or pyproject.toml with [tool.dlcli.COMMAND].",
    "~/.config/dlcli/dlcli.toml": "Options, if there is neither.",
    "~/.cache/dlcli": "Trained networks and downloads, which dlcli cache lists and removes; elsewhere with $XDG_CACHE_HOME.",
}


def pages() -> dict[str, str]:
    """The manual pages by file name."""
    return {"dlcli.1": _main_page(), **{f"dlcli-{name}.1": _page(name, summary) for name, summary in COMMANDS.items()}}


def _main_page() -> str:
    command: Any = get_command(app)
    with command.make_context("dlcli", [], resilient_parsing=True) as context:
        options = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    parts = [
        _head("dlcli", "a deep-learning toolkit for the command line"),
        _section("synopsis", ".B dlcli\n.I COMMAND\n[\\fIOPTION\\fR...]\n"),
        _section(
            "description",
            _text("Your models, your data, honest statistics. dlcli COMMAND --help lists all options of a command."),
        ),
        _section(
            "commands", "".join(_item(f"dlcli {name}", summary, note=f"dlcli-{name}(1)") for name, summary in COMMANDS.items())
        ),
        _section("options", "".join(_item(*record) for record in options if record)),
        _end(),
        _section("see also", " ,\n".join(f".BR dlcli\\-{_escape(name)} (1)" for name in COMMANDS) + "\n"),
    ]
    return "".join(parts)


def _page(name: str, summary: str) -> str:
    declared = import_module(f"dlcli.cli.commands.{name.replace('-', '_')}").COMMAND
    command: Any = get_command(declare(declared, summary))
    with command.make_context(f"dlcli {name}", [], resilient_parsing=True) as context:
        sections = command.sections(context)
        usage = " ".join(command.collect_usage_pieces(context))
    parts = [
        _head(f"dlcli-{name}", summary.rstrip(".")),
        _section("synopsis", f".B dlcli {_escape(name)}\n{_text(usage)}"),
        _section("description", _text(summary)),
        *(_section(heading, "".join(_item(*record) for record in records)) for heading, records in sections.items()),
        _section("examples", "".join(f".PP\n.nf\n{_text(line)}.fi\n" for line in declared.examples)),
        _end(),
        _section("see also", ".BR dlcli (1)\n"),
    ]
    return "".join(parts)


def _end() -> str:
    variable = _item(
        "DLCLI_NAME", "Sets the option --name: DLCLI_SEED=1. The command line comes first, then the environment, then a file."
    )
    return (
        _section("exit status", "".join(_item(status, meaning.replace("`", "")) for status, meaning in MEANINGS.items()))
        + _section("environment", variable)
        + _section("files", "".join(_item(*entry) for entry in _FILES.items()))
    )


def _head(name: str, summary: str) -> str:
    title = f'.TH "{_escape(name.upper())}" "1" "" "dlcli {__version__}" "User Commands"\n'
    return title + _section("name", f"{_escape(name)} \\- {_escape(summary[0].lower() + summary[1:])}\n")


def _section(heading: str, body: str) -> str:
    return f'.SH "{_escape(heading.upper())}"\n{body}'


def _item(term: str, meaning: str, note: str = "") -> str:
    return f".TP\n\\fB{_escape(term)}\\fR\n{_text(meaning)}" + (f"{_escape(note)}\n" if note else "")


def _text(text: str) -> str:
    return "".join(f"{_escape(line.strip())}\n" for line in text.splitlines())


def _escape(text: str) -> str:
    """Text as roff prints it: no hyphens for minus signs, and no request at the start of a line."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain
