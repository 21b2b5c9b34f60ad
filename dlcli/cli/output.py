"""Prints results on standard output: the answer and a table on a terminal, CSV or JSON on a pipe."""

import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import IO, Any

from dlcli.cli.command import Command, TerminalTable
from dlcli.cli.flags import with_flags
from dlcli.cli.layout import lines
from dlcli.cli.markdown import markdown
from dlcli.cli.pictures import Sketch
from dlcli.cli.reporter import TerminalReporter
from dlcli.cli.streams import drawing, has_unicode, printable
from dlcli.specs.option import declared
from dlcli.specs.shared import RunOptions
from dlcli.support.atomic import atomic_path
from dlcli.support.errors import UsageError
from dlcli.support.garbage import gc_disabled
from dlcli.support.tables import Table, cell_text, write_csv, write_jsonl

_DRAWN = ("table", "markdown")
_STYLES = {"answer": "bold", "strong": "bold", "note": "dim"}
_MOST_FILES = 8
_COARSE = 0.02
"""Seconds by which the times of files may lie behind the clock."""
_PAGE = "report.html"
_WORKBOOKS = ("xlsx", "xlsm", "xls", "ods")


def show(command: Command, config: Any, result: Any, run: RunOptions, reporter: TerminalReporter) -> None:
    """Print a result in the chosen form, or write rows to the output file; without a table the answer is on standard error.

    Args:
        command: The subcommand, which draws the table and words the answer.
        config: Its configuration.
        result: What its engine returned.
        run: Its `format`: `auto` is a table on a terminal, else CSV for rows and JSON for single results.
        reporter: Prints the answer.
    """
    form = run.format
    if result.KIND == "rows" and config.output is not None:
        save_rows(result.table, config.output, form)
    else:
        form = _form(result.KIND, form)
        _print(command, config, result, form, verbose=run.verbose, printed=reporter.printed if one_place() else ())
        if form in _DRAWN:
            return
    reporter.note(command.answer(command.named(result, config)))


def _form(kind: str, form: str) -> str:
    if form != "auto":
        return form
    if sys.stdout.isatty():
        return "table"
    return "csv" if kind == "rows" else "json"


def one_place() -> bool:
    """Whether standard output and standard error go to the same terminal, pipe or file."""
    try:
        out, err = (os.fstat(stream.fileno()) for stream in (sys.stdout, sys.stderr))
    except (OSError, ValueError):  # a stream that is closed, or none of the system
        return False
    return (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino)


def _print(command: Command, config: Any, result: Any, form: str, *, verbose: bool, printed: Collection[str]) -> None:
    """Print a result on standard output; a table without the notes in `printed`, which stand above it."""
    if form in _DRAWN:
        table = command.table(command.named(result, config))
        table = replace(table, notes=tuple(note for note in table.notes if note not in printed))
        table = with_flags_of(table, command.name)
        if form == "table":
            draw(table, sys.stdout, verbose=verbose)
        else:
            sys.stdout.write(markdown(table, verbose=verbose))
    elif result.KIND == "rows":
        _write_rows(command, result, form, sys.stdout)
    else:
        write_single(command, result, form, sys.stdout)
    sys.stdout.flush()


def with_flags_of(table: TerminalTable, name: str) -> TerminalTable:
    """The table with the fields in its sentences written as flags of the command `name`."""
    notes = tuple(with_flags(note, name) for note in table.notes)
    return replace(table, answer=with_flags(table.answer, name), notes=notes)


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
    if isinstance(value, float):
        return float(value)  # not one that shows as it was typed
    return str(value) if isinstance(value, Path) else value


def check_rows_form(config: Any, form: str) -> None:
    """Refuse options of the output that would have no effect on rows.

    Args:
        config: The configuration.
        form: Value of `format`.

    Raises:
        UsageError: If `format` is none that a file can have, `excel_safe` is given for another format than csv and tsv, or what
            `rows_form` raises.
    """
    if config.output is not None:
        if form in (*_DRAWN, "json"):
            hint = "omit --format: the ending of the file decides; or pass csv or jsonl"
            raise UsageError(f"--format {form} has no effect: rows are written to {config.output}", hint=hint)
        form = rows_form(config.output, form)
    if getattr(config, "excel_safe", False) and form not in ("auto", "csv", "tsv"):
        raise UsageError(f"`excel_safe` has no effect: rows are written as {form}", hint="omit it, or write csv or tsv")


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


@gc_disabled()
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


def draw(table: TerminalTable, stream: IO[str], *, verbose: bool = False) -> None:
    """Draw a table in the width of a terminal; elsewhere (`--format table` on a pipe) whole and as wide as it is."""
    table = _printable(table)
    if not stream.isatty():
        found = lines(replace(table, most=None), sys.maxsize, verbose=verbose, pictures=False, all_notes=True)
        stream.writelines(f"{line.text}\n" for line in found)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=drawing(stream), highlight=False, no_color=bool(os.environ.get("NO_COLOR")))
    for line in lines(table, console.width, verbose=verbose, pictures=has_unicode()):
        console.print(Text(line.text, style=_STYLES.get(line.style, "")), soft_wrap=True)


def _printable(table: TerminalTable) -> TerminalTable:
    heads = tuple(map(printable, table.columns))
    rows = tuple(tuple(cell if isinstance(cell, Sketch) else printable(cell) for cell in row) for row in table.rows)
    notes = tuple("\n".join(map(printable, note.splitlines())) for note in table.notes)
    title, answer, rest = map(printable, (table.title, table.answer, table.rest))
    details, beside = (tuple(map(_printable, more)) for more in (table.details, table.beside))
    drawn = replace(table, title=title, answer=answer, rest=rest)
    return replace(drawn, columns=heads, rows=rows, notes=notes, details=details, beside=beside)


def missing_folders(config: Any) -> list[Path]:
    """The folders in which an output is to be that do not exist: of several that are in each other, the outermost."""
    places = [value for item, details in declared(config) if details.writes and (value := getattr(config, item.name))]
    missing = [[path for path in place.parents if not path.exists()] for place in places]
    return list(dict.fromkeys(paths[-1] for paths in missing if paths))


def name_folders(folders: list[Path], reporter: TerminalReporter) -> None:
    """Name those of the folders that there are now, for a mistyped path makes one too."""
    for folder in folders:
        if folder.is_dir():
            reporter.path("made the folder", folder)


def name_files(config: Any, since: float, reporter: TerminalReporter) -> None:
    """Name every file that the command wrote: each path ends a line, on one of its own if the screen is narrow.

    Args:
        config: The configuration, whose fields name the places.
        since: When the command began, in seconds since 1970: what is older was there before.
        reporter: Prints the lines.
    """
    since -= _COARSE
    places = [value for item, details in declared(config) if details.writes and (value := getattr(config, item.name))]
    for place in dict.fromkeys(places):
        if not place.is_dir():
            # A converted network has metadata and a page beside it.
            for path in dict.fromkeys((place, place.with_suffix(".json"), place.with_suffix(".html"))):
                if path.is_file() and path.stat().st_mtime >= since:
                    reporter.path("wrote", path)
            continue
        new = sorted(path for path in place.rglob("*") if path.is_file() and path.stat().st_mtime >= since)
        names = list(dict.fromkeys(name for path in new if (name := path.relative_to(place).parts[0])[0] != "."))
        if not names:
            continue
        more = [f"{len(names) - _MOST_FILES} more"] if len(names) > _MOST_FILES else []
        reporter.path(f"wrote {', '.join([*names[:_MOST_FILES], *more])}", place, before="to ")
        if place / _PAGE in new:
            reporter.path("open", place / _PAGE)
