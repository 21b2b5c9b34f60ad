"""The rows of a csv or tsv that may be of different length, with or without a header."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlcli.core.data.column_names import FILE_COLUMNS, LABEL_COLUMNS, SET_COLUMNS, plain_name
from dlcli.support.csv_dialect import DELIMITERS, CsvDialect, csv_reader, csv_text
from dlcli.support.decimal_comma import has_decimal_comma
from dlcli.support.decode import decode
from dlcli.support.errors import InputError
from dlcli.support.read_tables import read_bytes

LABEL = "label"
"""What the first column is called where there is no header, as in the files of the UCR archive."""


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes:
        name: Of the file.
        columns: The names of its columns.
        cells: Of each row, as many as it has.
        headed: Whether the file names its columns.
    """

    name: str
    columns: list[str]
    cells: Sequence[Sequence[str]]
    headed: bool

    def column(self, name: str) -> list[str]:
        """The cells of a column, empty where a row is too short."""
        k = self.columns.index(name)
        return [row[k] if k < len(row) else "" for row in self.cells]


def read_rows(file: Path) -> Rows:
    """Read a csv or tsv; raises InputError if it is not text, or empty."""
    name, content = read_bytes(str(file))
    found = csv_text(decode(name, content, None, lambda text: iter(())), 0)
    first = found.text.partition("\n")[0]
    tabs = name.lower().removesuffix(".gz").endswith(".tsv") and "\t" in first
    likely = ";" if all(map(has_decimal_comma, first.split(";")[1:])) and ";" in first else max(DELIMITERS, key=first.count)
    delimiter = "\t" if tabs else found.delimiter or likely
    rows = [[cell.strip() for cell in row] for row in csv_reader(found.text, CsvDialect(delimiter), strict=False) if row]
    if not rows:
        raise InputError(f"{name}: is empty", hint="a table of sequences has one sequence per row")
    if _is_header(rows[0]):
        return Rows(name, rows[0], rows[1:], True)
    longest = max(map(len, rows))
    return Rows(name, [LABEL, *map(str, range(1, longest))], rows, False)


def _is_header(cells: Sequence[str]) -> bool:
    """Whether a first row names columns: one has a usual name, or one beyond the first is not a number."""
    known = {*LABEL_COLUMNS, *SET_COLUMNS, *FILE_COLUMNS}
    return any(plain_name(cell) in known for cell in cells) or not all(
        is_number(cell) or has_decimal_comma(cell) for cell in cells[1:]
    )


def are_text(cells: Sequence[str]) -> bool:
    """Whether no cell is a number, not even one with a decimal comma; False where all are empty."""
    there = [cell for cell in cells if cell]
    return bool(there) and not any(is_number(cell) or has_decimal_comma(cell) for cell in there)


def is_number(cell: str) -> bool:
    """Whether a cell is a number, or empty."""
    try:
        return not cell or float(cell) is not None
    except ValueError:
        return cell == "?"
