"""Whether quotes in a csv enclose cells, or only mean themselves and have joined lines that are rows of their own."""

import re

from dlcli.support.csv_dialect import CsvDialect, cells_of
from dlcli.support.table_format import SINGLE

NEAR_ROWS = 100
"""Rows before and after a row that tell whether it is one."""


def looks_joined(row: int, rows: list[list[str]], dialect: CsvDialect) -> bool:
    """Whether the lines of a row, of which `may_be_joined` is true, are rows of their own for certain enough.

    Prose may well have a delimiter or two in each line, so that in a narrow table all lines must also begin with a number or an
    identifier of the same form, or with a cell that other rows begin with.
    """
    cells = rows[row]
    if dialect.delimiter == SINGLE or len(cells) > 3:
        return dialect.delimiter != SINGLE
    starts = [line.partition(dialect.delimiter)[0] for line in _lines(cells, dialect)]
    forms = {re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", start)) for start in starts}
    near = (*rows[max(0, row - NEAR_ROWS) : row], *rows[row + 1 : row + NEAR_ROWS])
    known = {other[0] for other in near} | {cells[0]}
    return (len(forms) == 1 and "9" in min(forms)) or all(start in known for start in starts[1:])


def may_be_joined(cells: list[str], dialect: CsvDialect, width: int) -> bool:
    """Whether a row has several lines, each with as many delimiters as a row of `width` cells."""
    if dialect.delimiter == SINGLE:
        return True
    if dialect.delimiter.join(cells).count(dialect.delimiter) < 2 * (width - 1):
        return False
    lines = _lines(cells, dialect)
    return len(lines) > 1 and all(line.count(dialect.delimiter) == width - 1 for line in lines)


def _lines(cells: list[str], dialect: CsvDialect) -> list[str]:
    return dialect.delimiter.join(cells).replace("\r\n", "\n").replace("\r", "\n").split("\n")


def all_quoted(text: str, dialect: CsvDialect) -> bool:
    """Whether every cell is quoted, the names of the columns too: then a program has quoted them, and each quote encloses."""
    return not any(cells_of(text, dialect))


def has_stray_quote(text: str, dialect: CsvDialect) -> bool:
    """Whether a quote stands inside a cell that is not quoted: programs that quote cells would have quoted this one."""
    return any('"' in cell for cell in cells_of(text, dialect))
