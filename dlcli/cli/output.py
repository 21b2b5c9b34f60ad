"""Prints results on standard output: a table on a terminal, CSV or JSON on a pipe.

Rich draws to a terminal only: on a pipe it would cut tables at 80 columns and eat [brackets].
"""

import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import IO, Any

from dlcli.cli.command import Command, TerminalTable
from dlcli.cli.flags import with_flags
from dlcli.cli.reporter import TerminalReporter
from dlcli.cli.streams import drawing, printable
from dlcli.support.atomic import atomic_path
from dlcli.support.errors import UsageError
from dlcli.support.tables import Table, cell_text, write_csv, write_jsonl

_WORKBOOKS = ("xlsx", "xlsm", "xls", "ods")


def show(command: Command, config: Any, result: Any, form: str, reporter: TerminalReporter) -> None:
    """Print a result in the chosen form, or write rows to the output file; then print the summary on standard error.

    Args:
        command: The subcommand, which draws the table and words the summary.
        config: Its configuration, of which only `output` matters here.
        result: What its engine returned.
        form: Value of `format`; `auto` is a table on a terminal, else CSV for rows and JSON for single results.
        reporter: Prints the summary.
    """
    if result.KIND == "rows" and config.output is not None:
        save_rows(result.table, config.output, form)
    else:
        _print(command, result, _form(result.KIND, form))
    reporter.note(command.summary(result))


def _form(kind: str, form: str) -> str:
    if form != "auto":
        return form
    if sys.stdout.isatty():
        return "table"
    return "csv" if kind == "rows" else "json"


def _print(command: Command, result: Any, form: str) -> None:
    if form == "table":
        table = command.table(result)
        notes = tuple(with_flags(note, command.name) for note in table.notes)
        draw(replace(table, notes=notes), sys.stdout)
    elif result.KIND == "rows":
        _write_rows(command, result, form, sys.stdout)
    else:
        write_single(command, result, form, sys.stdout)
    sys.stdout.flush()


def _write_rows(command: Command, result: Any, form: str, stream: IO[str]) -> None:
    if form == "csv":
        write_csv(result.table, stream)
    elif form == "jsonl":
        write_jsonl(result.table, stream)
    else:
        stream.write(_json(plain(result, command.name)))


def write_single(command: Command, result: Any, form: str, stream: IO[str]) -> None:
    """Write a result that is not a table of rows.

    Args:
        command: The subcommand, whose flags its notes name.
        result: The result.
        form: json, jsonl or csv.
        stream: Where to write it.
    """
    if form == "json":
        stream.write(_json(plain(result, command.name)))
    elif form == "jsonl":
        stream.writelines(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in result.records())
    else:
        records = result.records()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(records[0])
        writer.writerows([cell_text(value) for value in record.values()] for record in records)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def plain(value: Any, command: str) -> Any:
    """The value in types that JSON has; a Table becomes a list of its rows, and notes name the flags of `command`."""
    if isinstance(value, Table):
        return list(value.records())
    if is_dataclass(value):
        values = {item.name: plain(getattr(value, item.name), command) for item in fields(value)}
        return values | {"notes": [with_flags(note, command) for note in values["notes"]]} if "notes" in values else values
    if isinstance(value, (list, tuple)):
        return [plain(item, command) for item in value]
    if isinstance(value, dict):
        return {key: plain(item, command) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def rows_form(path: Path, form: str) -> str:
    """The form in which rows are written to a file: csv, tsv, jsonl or parquet.

    Args:
        path: The file, whose ending tells.
        form: Value of `format`, which comes first if it is csv or jsonl.

    Returns:
        The form.

    Raises:
        UsageError: If neither tells.
    """
    ending = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    if ending in _WORKBOOKS:
        hint = "a spreadsheet opens .csv as well, with --excel-safe if cells may begin with ="
        raise UsageError(f"--output: {path} would be a workbook, which cannot be written", hint=hint)
    forms = {"csv": "csv", "tsv": "tsv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet", "pq": "parquet"}
    form = form if form in ("csv", "jsonl") else forms.get(ending, "")
    if not form and path.exists() and not path.is_file():
        form = "csv"
    if not form:
        raise UsageError(f"--output: {path} ends in none of .csv .tsv .jsonl .parquet", hint="or pass --format csv or jsonl")
    return form


def save_rows(table: Table, path: Path, form: str = "auto") -> None:
    """Write rows to a file, whole or not at all, in the form that `rows_form` finds."""
    form = rows_form(path, form)
    if form == "parquet":
        from dlcli.core.parquet import write_parquet

        write_parquet(table, path)
        return
    with _text_file(path) as stream:
        if form == "jsonl":
            write_jsonl(table, stream)
        else:
            write_csv(table, stream, "\t" if form == "tsv" else None)


@contextmanager
def _text_file(path: Path) -> Iterator[IO[str]]:
    with atomic_path(path) as temporary, temporary.open("wb") as binary:
        # mtime=0 and no name: the same rows give the same bytes.
        packed = gzip.GzipFile("", "wb", fileobj=binary, mtime=0) if path.suffix == ".gz" else binary
        with io.TextIOWrapper(packed, encoding="utf-8", errors="backslashreplace", newline="") as stream:
            yield stream
            stream.flush()


def draw(table: TerminalTable, stream: IO[str]) -> None:
    """Draw a table with Rich on a terminal, and as plain columns elsewhere (`--format table` on a pipe)."""
    table = _printable(table)
    if not stream.isatty():
        stream.write(_columns(table))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    title = Text(table.title, style="bold")
    grid = RichTable(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for k, name in enumerate(table.columns):
        figures = all(row[k][:1] in "0123456789+-" for row in table.rows)  # an empty cell counts as one
        grid.add_column(Text(name), overflow="fold", justify="right" if figures else "left")
    for k, row in enumerate(table.rows):
        grid.add_row(*map(Text, row), style="bold" if k in table.strong else None)
    console = Console(file=drawing(stream), highlight=False, no_color=bool(os.environ.get("NO_COLOR")))
    console.print(grid)
    for note in table.notes:
        console.print(Text(note), style="dim")


def _printable(table: TerminalTable) -> TerminalTable:
    heads, *rows = (tuple(map(printable, row)) for row in (table.columns, *table.rows))
    notes = tuple(printable(line) for note in table.notes for line in note.splitlines())
    return replace(table, title=printable(table.title), columns=heads, rows=tuple(rows), notes=notes)


def _columns(table: TerminalTable) -> str:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(table.columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([table.title, "", *lines, *(["", *table.notes] if table.notes else [])]) + "\n"
