"""Tables as people keep them: csv, tsv and jsonl, plain or gzipped, read without changing a cell.

Cells of a csv are str and nothing else: "NA", "007" and "1e5" stay what they are. Rows are numbered from 1, the header
not counted, in every message.
"""

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from dlcli.support.errors import InputError, UsageError
from dlcli.support.tables import Table

DELIMITERS = (",", ";", "\t", "|")
_SNIFFED_ROWS = 50


def read_table(source: str, *, encoding: str = "utf-8", delimiter: str | None = None, max_cell: int = 1_000_000) -> Table:
    """Read `source`, a path or - for standard input; raises what `read_bytes` and `parse_table` raise."""
    name, data = read_bytes(source)
    return parse_table(name, data, encoding=encoding, delimiter=delimiter, max_cell=max_cell)


def parse_table(name: str, data: bytes, *, encoding: str, delimiter: str | None, max_cell: int) -> Table:
    """The table in `data`; the ending of `name` tells csv, tsv and jsonl apart, else the first bytes do.

    Raises InputError naming file, row and column for what cannot be read: bytes that are not in `encoding`, ragged
    rows, a NUL, a cell of more than `max_cell` characters.
    """
    if kind_of(name, data) == "jsonl":
        return _read_jsonl(name, _decode(name, data, encoding, _jsonl_cells), max_cell)
    if name.removesuffix(".gz").endswith(".tsv"):
        delimiter = delimiter or "\t"
    text = _decode(name, data, encoding, lambda broken: _csv_cells(broken, delimiter))
    return _read_csv(name, text, delimiter or _find_delimiter(text), max_cell)


def read_bytes(source: str) -> tuple[str, bytes]:
    """The name to use in messages and the unzipped content of a path or of standard input (-)."""
    name = "standard input" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder, not a table") from None
    except PermissionError:
        raise InputError(f"{name}: may not be read", hint="check the file's permissions") from None
    return name, _unzip(name, data) if data[:2] == b"\x1f\x8b" else data


def _unzip(name: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name}: broken gzip file: {error}") from None


def kind_of(source: str, data: bytes = b"") -> str:
    """csv, jsonl or parquet, by the ending of the name or else by the first bytes."""
    ending = source.removesuffix(".gz").rpartition(".")[2].lower()
    if ending in ("parquet", "pq") or data[:4] == b"PAR1":
        return "parquet"
    if ending in ("jsonl", "ndjson") or (ending not in ("csv", "tsv", "txt") and data.lstrip()[:1] == b"{"):
        return "jsonl"
    return "csv"


Cells = Iterator[tuple[int, str, Any]]


def _decode(name: str, data: bytes, encoding: str, cells: Callable[[str], Cells]) -> str:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except LookupError:
        raise UsageError(f"--encoding: Python knows no encoding called '{encoding}'") from None
    except UnicodeError as error:
        raise _not_text(name, data, encoding, error, cells) from None
    if "\0" in text:
        where = _first(cells(text), lambda cell: "\0" in cell)
        raise InputError(f"{name}: {where}holds a NUL byte", hint="pass --encoding utf-16 if the file is UTF-16")
    return text


def _not_text(name: str, data: bytes, encoding: str, error: UnicodeError, cells: Callable[[str], Cells]) -> InputError:
    hint = "pass --encoding cp1252 if the file comes from Windows or Excel"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return InputError(f"{name}: is UTF-16, not UTF-8", hint="pass --encoding utf-16")
    if not isinstance(error, UnicodeDecodeError) or encoding != "utf-8-sig":
        return InputError(f"{name}: is not {encoding}: {error}", hint="name the right one with --encoding")
    text = data.decode("utf-8-sig", errors="surrogateescape")
    where = _first(cells(text), lambda cell: any("\udc80" <= letter <= "\udcff" for letter in cell))
    byte = next((letter for letter in text if "\udc80" <= letter <= "\udcff"), "\udc80")
    return InputError(f"{name}: {where}byte 0x{ord(byte) - 0xDC00:02x} is not UTF-8", hint=hint)


def _first(cells: Cells, wrong: Callable[[str], bool]) -> str:
    for row, column, cell in cells:
        if isinstance(cell, str) and wrong(cell):
            return f"{_place(row, column)}: "
    return ""


def _place(row: int, column: str = "") -> str:
    place = f"row {row}" if row else "header"
    return f"{place}, column '{column}'" if column else place


def _csv_cells(text: str, delimiter: str | None) -> Cells:
    columns: list[str] = []
    try:
        for row, cells in enumerate(_reader(text, delimiter or _find_delimiter(text), strict=False)):
            columns = columns or [cell.encode("utf-8", "replace").decode() for cell in cells]
            for k, cell in enumerate(cells):
                yield row, columns[k] if k < len(columns) else str(k + 1), cell
    except csv.Error:
        return


def _reader(text: str, delimiter: str, *, strict: bool = True) -> Any:
    csv.field_size_limit(sys.maxsize)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)


def _find_delimiter(text: str) -> str:
    """Of the delimiters that the header holds, the one that cuts the first rows evenly and into the most columns."""
    return max(DELIMITERS, key=lambda delimiter: _evenness(text, delimiter))


def _evenness(text: str, delimiter: str) -> tuple[bool, bool, int]:
    try:
        widths = [len(row) for row in islice(_reader(text, delimiter, strict=False), _SNIFFED_ROWS) if row]
    except csv.Error:
        return False, False, 0
    header = widths[0] if widths else 0
    return header > 1, len(set(widths)) == 1, header


def _read_csv(name: str, text: str, delimiter: str, max_cell: int) -> Table:
    reader = _reader(text, delimiter)
    table = Table([], [], name=name, delimiter=delimiter, newline="\r\n" if "\r\n" in text[:100_000] else "\n")
    try:
        for cells in reader:
            if not table.columns:
                table.columns = cells
            elif cells or len(table.columns) == 1:
                _check_row(table, cells, reader.line_num, max_cell)
                table.rows.append(cells or [""])
    except csv.Error as error:
        raise _bad_quotes(table, reader.line_num, str(error)) from None
    if not table.columns:
        raise InputError(f"{name}: is empty", hint="a table starts with a line that names its columns")
    return table


def _check_row(table: Table, cells: list[str], line: int, max_cell: int) -> None:
    row, width = len(table.rows) + 1, len(table.columns)
    if cells and len(cells) != width:
        column = f": no cell for column '{table.columns[len(cells)]}'" if len(cells) < width else ""
        raise InputError(
            f"{table.name}: row {row} (line {line}): {len(cells)} cells where the header has {width} columns{column}",
            hint="quote cells that hold the delimiter, or name it with --delimiter",
        )
    if sum(map(len, cells)) > max_cell:
        _check_cells(table, row, cells, max_cell)


def _check_cells(table: Table, row: int, cells: list[Any], max_cell: int) -> None:
    for column, cell in zip(table.columns, cells, strict=True):
        if isinstance(cell, str) and len(cell) > max_cell:
            raise InputError(
                f"{table.name}: {_place(row, column)}: a cell of {len(cell):,} characters",
                hint=f"if this is no unclosed quote, pass --max-cell {len(cell)}",
            )


def _bad_quotes(table: Table, line: int, error: str) -> InputError:
    row = len(table.rows) + 1 if table.columns else 0
    if "unexpected end" in error:
        return InputError(f"{table.name}: {_place(row)}: a quote opens here and never closes", hint="close or double the quote")
    return InputError(f"{table.name}: {_place(row)} (line {line}): {error}", hint='inside a quoted cell, write "" for a quote')


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
        raise InputError(f"{name}: is empty", hint="a jsonl table holds one JSON object a line")
    return table


def _object(name: str, row: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InputError(f"{name}: row {row}: not JSON: {error}", hint="a jsonl table holds one JSON object a line") from None
    except RecursionError:
        raise InputError(f"{name}: row {row}: JSON nested too deeply") from None
    if not isinstance(found, dict):
        raise InputError(f"{name}: row {row}: JSON, but no object", hint='write {"question": "..."}')
    return found
