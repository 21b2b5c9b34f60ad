"""Reads csv, tsv and jsonl tables, plain or gzipped, without changing a cell.

All cells of a csv are str: "NA", "007" and "1e5" stay as they are. Messages number rows from 1, without the header.
"""

import codecs
import csv
import gzip
import io
import json
import re
import sys
import zlib
from bisect import bisect_left
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from dlcli.support.decode import Cells, decode, place
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

DELIMITERS = (",", ";", "\t", "|")
_SNIFFED_ROWS = 50
_UNCUT = "\udc81"  # a delimiter that no text holds, since no decoder gives a lone surrogate
# An object, or an array of them, after a byte order mark of any encoding and blanks.
_JSON = re.compile(rb"[\xef\xbb\xbf\xfe\xff\0\s]*(\[[\s\0]*)?\{")


def read_table(source: str, *, encoding: str = "utf-8", delimiter: str | None = None, max_cell: int = 1_000_000) -> Table:
    """Read a table.

    Args:
        source: A path, or - for standard input.
        encoding: Encoding of the text.
        delimiter: Of a csv; found in the first rows if None.
        max_cell: Characters that a cell may have.

    Raises:
        InputError: If the file cannot be read, or is not such a table.
        UsageError: If Python does not know the encoding.
    """
    name, data = read_bytes(source)
    return parse_table(name, data, encoding=encoding, delimiter=delimiter, max_cell=max_cell)


def parse_table(name: str, data: bytes, *, encoding: str, delimiter: str | None, max_cell: int) -> Table:
    """Parse the content of a table: csv, tsv or jsonl by the suffix of its name, otherwise by its first bytes.

    Args:
        name: Name of the file.
        data: Its content.
        encoding: Encoding of the text.
        delimiter: Of a csv; found in the first rows if None.
        max_cell: Characters that a cell may have; more are usually a quote that never closes.

    Raises:
        InputError: Naming file, row and column, for bytes that are not in the encoding, ragged rows, a NUL or a long cell.
        UsageError: If Python does not know the encoding.
    """
    if kind_of(name, data) == "jsonl":
        return _read_jsonl(name, decode(name, data, encoding, _jsonl_cells), max_cell)
    tabs = name.lower().removesuffix(".gz").endswith(".tsv")
    text = decode(name, data, encoding, lambda broken: _csv_cells(broken, delimiter or _find_delimiter(broken, tabs=tabs)))
    table = _read_csv(name, text, delimiter or _find_delimiter(text, tabs=tabs), max_cell)
    table.mark = data.startswith(codecs.BOM_UTF8)
    return table


def read_bytes(source: str) -> tuple[str, bytes]:
    """Read a file, or standard input (-).

    Returns:
        The name for messages, and the content, unzipped if it is gzip.

    Raises:
        InputError: If it cannot be read.
    """
    name = "standard input" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder, not a table") from None
    except PermissionError:
        raise InputError(f"{name}: may not be read", hint="check the file's permissions") from None
    except OSError as error:
        raise InputError(f"{name}: {(error.strerror or str(error)).lower()}") from None
    return name, _unzip(name, data) if data[:2] == b"\x1f\x8b" else data


def _unzip(name: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name}: broken gzip file: {error}", hint="copy or fetch it again") from None


def kind_of(source: str, data: bytes = b"") -> str:
    """csv, jsonl or parquet, by the ending of the name or else by the first bytes."""
    ending = source.lower().removesuffix(".gz").rpartition(".")[2]
    if ending in ("parquet", "pq") or data[:4] == b"PAR1":
        return "parquet"
    if ending in ("jsonl", "ndjson") or (ending not in ("csv", "tsv", "txt") and _JSON.match(data)):
        return "jsonl"
    return "csv"


def _csv_cells(text: str, delimiter: str) -> Cells:
    rows = _reader(text, delimiter, strict=False)
    with suppress(csv.Error):
        columns: list[str] = next(filter(None, rows), [])
        for row, cells in enumerate(chain([columns], rows if len(columns) == 1 else filter(None, rows))):
            for k, cell in enumerate(cells):
                yield row, columns[k] if k < len(columns) else str(k + 1), cell


def _reader(text: str, delimiter: str, *, strict: bool = True) -> Any:
    csv.field_size_limit(sys.maxsize)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)


def _find_delimiter(text: str, *, tabs: bool) -> str:
    """The delimiter in the header that gives the first rows the same number of columns, and the most of them.

    With `tabs`, a tab takes precedence. A header without any delimiter has a single column.
    """

    def rank(delimiter: str) -> tuple[bool, bool, bool, int]:
        header, even = _widths(text, delimiter)
        return header > 1, tabs and delimiter == "\t", even, header

    best = max(DELIMITERS, key=rank)
    return best if rank(best)[0] else _UNCUT


def _widths(text: str, delimiter: str) -> tuple[int, bool]:
    """The columns of the header, and whether the first rows have as many."""
    try:
        widths = [len(row) for row in islice(_reader(text, delimiter, strict=False), _SNIFFED_ROWS) if row]
    except csv.Error:
        return 0, False
    return (widths[0] if widths else 0), len(set(widths)) == 1


def _read_csv(name: str, text: str, delimiter: str, max_cell: int) -> Table:
    reader = _reader(text, delimiter)
    table = Table([], [], name=name, delimiter="," if delimiter == _UNCUT else delimiter, newline=_newline(text))
    line = 0
    try:
        for cells in reader:
            if not table.columns:
                table.columns = cells
            elif cells or len(table.columns) == 1:
                _check_row(table, cells, line + 1, max_cell)
                table.rows.append(cells or [""])
            line = reader.line_num
    except csv.Error:
        raise _bad_quotes(table, _lines(text, line, reader.line_num), line, delimiter) from None
    if not table.columns:
        raise InputError(f"{name}: is empty", hint="a table starts with a line of column names")
    return table


def _lines(text: str, start: int, stop: int) -> str:
    return "".join(islice(io.StringIO(text, newline=""), start, stop))


def _newline(text: str) -> str:
    """How the first line ends; a cell further down may hold other line ends."""
    return "\r\n" if _lines(text, 0, 1).endswith("\r\n") else "\n"


def _check_row(table: Table, cells: list[str], line: int, max_cell: int) -> None:
    row, width = len(table.rows) + 1, len(table.columns)
    if cells and len(cells) != width:
        column = f": no cell for column '{table.columns[len(cells)]}'" if len(cells) < width else ""
        raise InputError(
            f"{table.name}: {place(row, '', line)}: {count(len(cells), 'cell')} where the header has "
            f"{count(width, 'column')}{column}",
            hint="quote cells that hold the delimiter, or pass another `delimiter`",
        )
    if sum(map(len, cells)) > max_cell:
        _check_cells(table, row, cells, max_cell)


def _check_cells(table: Table, row: int, cells: list[Any], max_cell: int) -> None:
    for column, cell in zip(table.columns, cells, strict=True):
        if isinstance(cell, str) and len(cell) > max_cell:
            raise InputError(
                f"{table.name}: {place(row, column)}: a cell of {len(cell):,} characters",
                hint=f"close the quote if one is open, or pass `max_cell={len(cell)}`",
            )


def _bad_quotes(table: Table, broken: str, line: int, delimiter: str) -> InputError:
    """The error for `broken`, the row that starts after `line` lines and cannot be read to its end."""
    end = bisect_left(range(len(broken)), True, key=lambda length: _text_after_quote(broken[:length], delimiter))
    cells = next(_reader(broken[:end], delimiter, strict=False), [""])
    column = table.columns[len(cells) - 1] if len(cells) <= len(table.columns) else ""
    where = place(len(table.rows) + 1 if table.columns else 0, column, line + 1)
    if end == len(broken) and not _text_after_quote(broken, delimiter):
        return InputError(f"{table.name}: {where}: a quote opens here and never closes", hint="close or double the quote")
    return InputError(f"{table.name}: {where}: text follows a closing quote", hint='inside a quoted cell, write "" for a quote')


def _text_after_quote(text: str, delimiter: str) -> bool:
    try:
        next(_reader(text, delimiter), None)
    except csv.Error as error:
        return "expected after" in str(error)
    return False


def _jsonl_cells(text: str) -> Cells:
    for row, line in enumerate(filter(str.strip, text.split("\n")), start=1):
        try:
            found = json.loads(line, strict=False)
        except ValueError:
            found = {"": line}
        for column, cell in (found if isinstance(found, dict) else {"": line}).items():
            yield row, column, cell


def _read_jsonl(name: str, text: str, max_cell: int) -> Table:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    objects = [_object(name, row, line) for row, line in enumerate(lines, start=1)]
    columns = list(dict.fromkeys(key for found in objects for key in found))
    table = Table(columns, [], name=name, kind="jsonl", origin=lines, origin_columns=len(columns))
    table.origin_rows = range(len(lines))
    for row, found in enumerate(objects, start=1):
        cells = [found.get(column) for column in columns]
        _check_cells(table, row, cells, max_cell)
        table.rows.append(cells)
    if not objects:
        raise InputError(f"{name}: is empty", hint="a jsonl table has one JSON object per line")
    return table


def _object(name: str, row: int, line: str) -> dict[str, Any]:
    hint = "a jsonl table has one JSON object per line, as jq -c . or jq -c '.[]' makes it"
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InputError(f"{name}: row {row}: not JSON: {error}", hint=hint) from None
    except RecursionError:
        raise InputError(f"{name}: row {row}: JSON nested too deeply") from None
    if not isinstance(found, dict):
        raise InputError(f"{name}: row {row}: JSON, but not an object", hint=hint)
    return found
