"""A table in memory, and how it is written: cells as they came, quoted only where needed."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import IO, Any


@dataclass
class Table:
    """Rows under named columns.

    `kind` is csv, jsonl or parquet. What a format knows beyond its cells (the text of each JSON object, the types of a
    parquet file) stays in `origin`, so that it is written back unchanged: row k here was row `origin_rows[k]` there, and the
    first `origin_columns` columns are its own.
    """

    columns: list[str]
    rows: list[list[Any]]
    name: str = "table"
    kind: str = "csv"
    delimiter: str = ","
    newline: str = "\n"
    origin: Any = field(default=None, repr=False)
    origin_columns: int = 0
    origin_rows: Sequence[int] = field(default=(), repr=False)

    def extend(self, columns: list[str], cells: list[list[Any]]) -> "Table":
        """A table with more columns; `cells` has a list a row."""
        rows = [row + more for row, more in zip(self.rows, cells, strict=True)]
        return replace(self, columns=self.columns + columns, rows=rows)

    def without(self, count: int) -> "Table":
        """A table without its last `count` columns."""
        rows = [row[: len(row) - count] for row in self.rows]
        return replace(self, columns=self.columns[: len(self.columns) - count], rows=rows, origin=None, origin_rows=())

    def take(self, indices: Sequence[int]) -> "Table":
        """The rows at `indices`, in that order."""
        rows = [self.rows[k] for k in indices]
        return replace(self, rows=rows, origin_rows=[self.origin_rows[k] for k in indices] if self.origin else ())


def cell_text(value: Any) -> str:
    """A cell as csv shows it: text as it is, nothing for None, the rest as JSON writes it."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def write_csv(table: Table, stream: IO[str], delimiter: str | None = None) -> None:
    """Write a header and the rows, quoted only where needed, with the table's own delimiter and line ends."""
    delimiter = delimiter or table.delimiter
    minimal = csv.writer(stream, delimiter=delimiter, lineterminator=table.newline)
    # The csv module does not see that a lone carriage return ends a line for most readers.
    quoted = csv.writer(stream, delimiter=delimiter, lineterminator=table.newline, quoting=csv.QUOTE_ALL)
    for row in chain([table.columns], table.rows):
        cells = [cell_text(cell) for cell in row]
        (quoted if any("\r" in cell for cell in cells) else minimal).writerow(cells)


def write_jsonl(table: Table, stream: IO[str]) -> None:
    """Write one object a row; rows that came from jsonl keep their text, with added columns at the end."""
    stream.writelines(line + "\n" for line in _json_lines(table))


def _json_lines(table: Table) -> Iterator[str]:
    if not (table.kind == "jsonl" and table.origin):
        for row in table.rows:
            yield json.dumps(dict(zip(table.columns, row, strict=True)), ensure_ascii=False)
        return
    old = table.origin_columns
    for row, source in zip(table.rows, table.origin_rows, strict=True):
        added = json.dumps(dict(zip(table.columns[old:], row[old:], strict=True)), ensure_ascii=False)
        kept = table.origin[source][:-1].rstrip()
        yield kept + ("" if kept.endswith("{") or added == "{}" else ", ") + added[1:]
