"""Results in notebooks and on disk, by the tables and formats of the command line."""

import io
from html import escape
from importlib import import_module
from pathlib import Path

from dlcli.cli import output
from dlcli.cli.command import Command, TerminalTable
from dlcli.core.html_report.page import frame
from dlcli.specs.result import Result
from dlcli.support.atomic import write_text

_AT_THE_SHELL = (" -o FILE", " --")
"""What notes on how to get more at the shell contain."""


def html_table(result: Result) -> str:
    """What the command draws on a terminal as HTML: the answer, the table and all notes; all text is escaped."""
    table = _command(result).table(result)
    notes = [note for note in table.notes if not any(words in note for words in _AT_THE_SHELL)]
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    above = f"<p><strong>{escape(table.answer)}</strong></p>"
    return f"<div>{above}{''.join(map(_grid, (table, *table.beside)))}{below}</div>"


def _grid(table: TerminalTable) -> str:
    if not table.rows and not table.columns:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = []
    for number, row in enumerate(table.rows):
        kind = "th" if number in table.strong else "td"
        rows.append("<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row) + "</tr>")
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f"<table><caption>{escape(table.title)}</caption>{body}</table>"


def save(result: Result, path: Path) -> None:
    """Write a result, see `Result.save`."""
    command = _command(result)
    kind: str = result.KIND  # type: ignore[attr-defined]
    if kind == "rows":
        output.save_rows(result.table, path)  # type: ignore[attr-defined]
        return
    path.mkdir(parents=True, exist_ok=True)
    for form in ("json", "csv"):
        stream = io.StringIO(newline="")
        output.write_single(command, result, form, stream)
        write_text(path / f"result.{form}", stream.getvalue())
    write_text(path / "result.html", frame(command.table(result).answer, html_table(result)))


def _command(result: Result) -> Command:
    found: Command = import_module(f"dlcli.cli.commands.{result.COMMAND.replace('-', '_')}").COMMAND
    return found
