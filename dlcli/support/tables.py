"""A table in memory and its writers, which leave cells unchanged and quote only where needed."""

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import IO, Any, NamedTuple

from dlcli.support.bad_rows import BadRow
from dlcli.support.decode import place
from dlcli.support.errors import InputError
from dlcli.support.json_text import without_members
from dlcli.support.row_store import AT_ONCE, ChosenRows, batches, made_rows

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_CRLF = "\r\n"
_PLAIN = frozenset({str, int, type(None)})
"""Types that the csv module writes as `cell_text` does: nearly all cells have them."""


@dataclass
class Table:
    """Rows under named columns.

    Attributes:
        columns: Names of the columns.
        rows: Cells, as many in each row as there are columns; of a csv all are str.
        name: Name of the file, for messages.
        kind: What it was read from, one of `table_format.KINDS`.
        delimiter: Of a csv.
        newline: Line end of a csv.
        quoted: Whether cells of a csv are quoted where needed; if not, quotes only mean themselves in it.
        mark: Whether a csv begins with a byte order mark, which Excel needs.
        excel_safe: Whether cells that a spreadsheet would run as formulas are written as text.
        origin: What a format has beyond its cells (the text of each JSON object, the types of a parquet file), so that it
            can be written back unchanged.
        origin_columns: How many of the first columns come from `origin`.
        origin_rows: Row k of this table is row `origin_rows[k]` of `origin`.
        bad_rows: Rows of the file that are not in the table, as `TableFormat.skip_bad` asks for.
        warnings: What may be wrong about how the table was read.
    """

    columns: list[str]
    rows: Sequence[list[Any]]
    name: str = "table"
    kind: str = "csv"
    delimiter: str = ","
    newline: str = "\n"
    quoted: bool = True
    mark: bool = False
    excel_safe: bool = False
    origin: Any = field(default=None, repr=False)
    origin_columns: int = 0
    origin_rows: Sequence[int] = field(default=(), repr=False)
    bad_rows: tuple[BadRow, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    def extend(self, columns: list[str], cells: Callable[[int, int], Iterable[Iterable[Any]]]) -> "Table":
        """A table with more columns; `cells` gives the new cells of the rows from one number to another."""

        def extended(start: int, rows: Sequence[list[Any]]) -> list[list[Any]]:
            return [[*row, *more] for row, more in zip(rows, cells(start, start + len(rows)), strict=True)]

        return replace(self, columns=self.columns + columns, rows=made_rows(extended, self.rows))

    def without(self, count: int) -> "Table":
        """A table without its last `count` columns, which hold no objects; what is left is written back as it was."""
        rows = made_rows(lambda start, some: [row[: len(row) - count] for row in some], self.rows)
        columns, dropped = self.columns[: len(self.columns) - count], frozenset(self.columns[len(self.columns) - count :])
        origin = self.origin
        if origin is not None and self.kind == "jsonl":
            origin = made_rows(lambda start, some: [without_members(text, dropped) for text in some], origin)
        elif origin is not None:
            origin = origin.select(range(origin.num_columns - count))
        return replace(self, columns=columns, rows=rows, origin=origin, origin_columns=max(0, self.origin_columns - count))

    def take(self, indices: Sequence[int]) -> "Table":
        """The rows at `indices`, which ascend."""
        whole = isinstance(self.rows, list)
        rows = [self.rows[k] for k in indices] if whole else ChosenRows(self.rows, indices)
        return replace(self, rows=rows, origin_rows=[self.origin_rows[k] for k in indices] if self.origin else ())

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as dicts for JSON; raises what `check_names` raises."""
        self.check_names()
        for row in self.rows:
            yield dict(zip(self.columns, map(_json_value, row), strict=True))

    def check_lengths(self, row: int, cells: Sequence[Any], max_cell: int) -> None:
        """Raise InputError, naming row and column, if a text has more than `max_cell` characters."""
        for column, cell in zip(self.columns, cells, strict=True):
            if isinstance(cell, str) and len(cell) > max_cell:
                where = f"{self.name}: {place(row, column)}"
                hint = f"close the quote if one is open, or pass `max_cell={len(cell)}`"
                raise InputError(f"{where}: a cell of {len(cell):,} characters", hint=hint)

    def check_names(self) -> None:
        """Raise InputError if columns share a name, for formats that allow each name once."""
        (name, count), *_ = [*Counter(self.columns).most_common(1), ("", 0)]
        if count > 1:
            raise InputError(f"{self.name}: {count} columns are called '{name}'", hint="rename one, or write csv")


def cell_text(value: Any) -> str:
    """A cell as csv text: str unchanged, empty for None, other types as in JSON, dates and the like as text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)  # as JSON writes it, in a tenth of the time
    text = to_json(value)
    return json.loads(text) if text.startswith('"') else text


def to_json(value: Any) -> str:
    """JSON on one line; types that JSON lacks, such as dates, become text."""
    return _ENCODER.encode(value)


def _json_value(value: Any) -> Any:
    """The value with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    return {key: _json_value(item) for key, item in value.items()} if isinstance(value, dict) else value


def _no_formula(cell: Any) -> Any:
    """The cell with an apostrophe before text that a spreadsheet would run as a formula (OWASP, CSV injection)."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def write_csv(table: Table, stream: IO[str], delimiter: str | None = None) -> None:
    """Write a header and the rows, quoted only where needed, with the delimiter and line ends of the table."""
    stream.write("\ufeff" * table.mark)
    lines: Iterable[list[Any]] = chain([table.columns], table.rows)
    if table.excel_safe:
        lines = (list(map(_no_formula, row)) for row in lines)
    if not table.quoted and delimiter in (None, table.delimiter):
        stream.writelines(_unquoted(row, table.delimiter) + table.newline for row in lines)
        return
    # The csv module quotes all cells with a CR or LF only if its own lines end in both.
    written: list[str] = []
    writer = csv.writer(_Sink(written.append), delimiter=delimiter or table.delimiter, lineterminator=_CRLF)
    for some in batches(lines, AT_ONCE):
        writer.writerows(zip(*map(_plain, zip(*some, strict=True)), strict=True))
        stream.writelines(line.removesuffix(_CRLF) + table.newline for line in written)
        written.clear()


def _plain(column: tuple[Any, ...]) -> Sequence[Any]:
    """The cells of a column as the csv module takes them; most columns have them already."""
    if _PLAIN.issuperset(map(type, column)):
        return column
    return [cell if type(cell) in _PLAIN else cell_text(cell) for cell in column]


def _unquoted(row: list[Any], delimiter: str) -> str:
    """A line without quotes; cells as they were read hold no delimiter, and added ones get a blank in its place."""
    blanks = str.maketrans(dict.fromkeys((delimiter, "\r", "\n"), " "))
    return delimiter.join(cell_text(cell).translate(blanks) for cell in row)


class _Sink(NamedTuple):
    """Where the csv module writes each line."""

    write: Callable[[str], object]


def write_jsonl(table: Table, stream: IO[str]) -> None:
    """Write one object per row; rows read from jsonl keep their text, with added columns at the end."""
    stream.writelines(line + "\n" for line in _json_lines(table))


def _json_lines(table: Table) -> Iterator[str]:
    if not (table.kind == "jsonl" and table.origin):
        yield from map(to_json, table.records())
        return
    old = table.origin_columns
    for row, source in zip(table.rows, table.origin_rows, strict=True):
        added = to_json(dict(zip(table.columns[old:], row[old:], strict=True)))
        kept = table.origin[source][:-1].rstrip()
        yield kept + ("" if kept.endswith("{") or added == "{}" else ", ") + added[1:]
