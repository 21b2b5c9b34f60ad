"""Reads csv and tsv tables without changing a cell; what cannot be read for certain is refused."""

import csv
import io
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple

from dlcli.support.bad_rows import BadRow, describe_bad_rows
from dlcli.support.csv_dialect import CsvDialect, CsvText, csv_reader, csv_text, csv_text_of, find_dialect, guess_dialect
from dlcli.support.decode import Cells, decode, marked_encoding, place
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.quote_check import NEAR_ROWS, all_quoted, has_stray_quote, looks_joined, may_be_joined
from dlcli.support.row_store import RowCollector, collected_rows, made_rows
from dlcli.support.table_content import Content, NulError, text_source
from dlcli.support.table_format import SINGLE, TableFormat
from dlcli.support.tables import Table

_MOST_BAD = 0.5
"""If more rows than this have the wrong number of cells, it is the header or the delimiter that is wrong."""


@dataclass
class _Rows:
    """Rows as read, but for the first one of the file if that is the header.

    Attributes:
        first: The first row of the file.
        cells: The rows.
        lines: The line on which each starts, counted from 0 in the text.
        widths: How many rows have each number of cells.
        beyond: Whether a cell beyond those of the first row holds anything.
        long: Whether a row may hold a cell that is too long.
    """

    first: list[str] = field(default_factory=list)
    cells: Sequence[list[str]] = field(default_factory=list)
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    widths: Counter[int] = field(default_factory=Counter)
    beyond: bool = False
    long: bool = False


def read_csv(name: str, content: Content, table_format: TableFormat, *, tabs: bool) -> Table:
    """Parse a csv.

    Args:
        name: Name of the file.
        content: Its content.
        table_format: How to read it.
        tabs: Whether a tab takes precedence as the delimiter, as in a .tsv.

    Returns:
        The table, whose cells are all str.

    Raises:
        InputError: Naming file, row and column, for bytes that are not in the encoding, ragged rows, a NUL or a long cell.
        UsageError: If Python does not know the encoding.
    """
    mark = marked_encoding(content.read(0, 4)) is not None
    with suppress(UnicodeError, NulError):
        source = text_source(content, table_format.encoding)
        if source is not None:
            return _parsed(name, csv_text_of(source, table_format.skip), table_format, mark, tabs=tabs)
    # Read as a whole, it tells where a fault is.
    data = content.whole()
    text = decode(name, data, table_format.encoding, lambda broken: _cells(broken, table_format, tabs=tabs))
    return _parsed(name, csv_text(text, table_format.skip), table_format, mark, tabs=tabs)


def _parsed(name: str, found: CsvText, table_format: TableFormat, mark: bool, *, tabs: bool) -> Table:
    dialect = find_dialect(name, found, table_format, tabs=tabs)
    table = Table([], [], name=name, delimiter=dialect.delimiter or ",", newline=_newline(found))
    table.mark = mark
    table.quoted = dialect.quoting != "none" or dialect.delimiter == SINGLE
    _finish(table, _read_rows(table, found, dialect, table_format), found, dialect, table_format)
    return table


def _cells(text: str, table_format: TableFormat, *, tabs: bool) -> Cells:
    """The cells of a text that may be broken, to find the place of a fault."""
    found = csv_text(text, table_format.skip)
    dialect = guess_dialect(found.text, table_format, tabs=tabs)
    rows = csv_reader(found.text, dialect, strict=False)
    with suppress(csv.Error):
        first: list[str] = next(filter(None, rows), [])
        columns = _numbers(first) if table_format.no_header else first
        others = rows if len(first) == 1 else filter(None, rows)
        for row, cells in enumerate(chain([first], others), start=int(table_format.no_header)):
            for k, cell in enumerate(cells):
                yield row, columns[k] if k < len(columns) else str(k + 1), cell


def _numbers(cells: list[str]) -> list[str]:
    return [str(k + 1) for k in range(len(cells))]


def _read_rows(table: Table, found: CsvText, dialect: CsvDialect, table_format: TableFormat) -> _Rows:
    """All rows, and the first one of the file apart; a blank line is a row only in a single column."""
    rows, cells_of_rows, line, doubtful = _Rows(), RowCollector(table.name), 0, list[int]()
    reader = csv_reader(found.lines() if dialect.plain else found.text, dialect)
    try:
        for cells in reader:
            if cells or len(rows.first) == 1:
                _take(rows, cells_of_rows, cells or [""], line, table_format)
                if reader.line_num - line > 1 and rows.widths.total() > 1 and may_be_joined(cells, dialect, len(rows.first)):
                    doubtful.append(rows.widths.total() - 1)
            line = reader.line_num
    except csv.Error:
        if not dialect.trim and dialect.quoting != "none":  # blanks after quotes may be all that is wrong
            return _read_rows(table, found, dialect._replace(trim="after"), table_format)
        broken = _lines(found.text, line, reader.line_num)
        rows.cells = cells_of_rows.rows()
        if rows.first:  # a ragged row before the fault comes first
            _finish(table, rows, found, dialect, table_format)
        raise _bad_quotes(table, len(rows.cells), broken, found.lines_before + line, dialect) from None
    rows.cells = cells_of_rows.rows()
    if table_format.quoting is None and doubtful:
        _check_joined(table, rows, doubtful, found, dialect)
    return rows


def _take(rows: _Rows, others: RowCollector, cells: list[str], line: int, table_format: TableFormat) -> None:
    """Add a row, and what is to be known of all of them."""
    if not rows.first:
        rows.first = cells
    width = len(rows.first)
    if rows.widths or table_format.no_header:
        others.append(cells)
        rows.lines.append(line)
        rows.beyond = rows.beyond or (len(cells) > width and any(cells[width:]))
        rows.long = rows.long or sum(map(len, cells)) > table_format.max_cell
    rows.widths[len(cells)] += 1


def _check_joined(table: Table, rows: _Rows, doubtful: list[int], found: CsvText, dialect: CsvDialect) -> None:
    """Refuse a row of several lines, of those numbered `doubtful`, if it looks like several rows.

    Rows are numbered from 0, the header among them.
    """
    if all_quoted(found.text, dialect):
        return
    with_header = 1 if len(rows.cells) < rows.widths.total() else 0
    wrong = next((k for k in doubtful if looks_joined(*_near(rows, k, with_header), dialect)), None)
    if wrong is None and has_stray_quote(found.text, dialect):
        wrong = doubtful[0]
    if wrong is not None:
        where = place(wrong, "", found.lines_before + rows.lines[wrong - with_header] + 1)
        hint = "pass `quoting=none` if quotes only mean themselves, or `quoting=minimal` if the cell has several lines"
        raise InputError(f"{table.name}: {where}: a quote joins lines that look like rows of their own", hint=hint)


class _Near(NamedTuple):
    """The place of a row among rows near it."""

    place: int
    rows: list[list[str]]


def _near(rows: _Rows, row: int, with_header: int) -> _Near:
    start, stop = max(0, row - NEAR_ROWS), row + NEAR_ROWS
    header = [rows.first] if with_header and start == 0 else []
    return _Near(row - start, [*header, *rows.cells[max(0, start - with_header) : stop - with_header]])


def _finish(table: Table, rows: _Rows, found: CsvText, dialect: CsvDialect, table_format: TableFormat) -> None:
    """Name the columns and check the rows."""
    _take_header(table, rows, table_format)
    _drop_trailing(table, rows)
    table.rows = rows.cells
    _check_rows(table, rows, found, dialect, table_format)


def _take_header(table: Table, rows: _Rows, table_format: TableFormat) -> None:
    if not rows.first:
        raise InputError(f"{table.name}: is empty", hint="a table starts with a line of column names")
    if table_format.no_header:
        table.columns = _numbers(rows.first)
        return
    table.columns = rows.first
    rows.widths -= Counter([len(rows.first)])
    if not any(map(str.strip, table.columns)):
        hint = "pass `skip=1` if the names are in the next line, or `no_header` if there are none"
        raise InputError(f"{table.name}: the header is blank", hint=hint)


def _drop_trailing(table: Table, rows: _Rows) -> None:
    """Drop the empty cells after a delimiter with which all rows end but the header does not, or the other way round."""
    width = len(table.columns)
    if not rows.widths:
        return
    if min(rows.widths) > width and not rows.beyond:
        rows.cells = made_rows(lambda start, some: [cells[:width] for cells in some], rows.cells)
        rows.widths = Counter({width: rows.widths.total()})
    elif width > 1 and not table.columns[-1] and set(rows.widths) == {width - 1}:
        table.columns = table.columns[:-1]


def _check_rows(table: Table, rows: _Rows, found: CsvText, dialect: CsvDialect, table_format: TableFormat) -> None:
    """Refuse rows with too few or too many cells, or set them apart; refuse long cells."""
    width = len(table.columns)
    if set(rows.widths) - {width}:
        bad = [k for k, cells in enumerate(rows.cells) if len(cells) != width]
        if not (table_format.skip_bad and len(bad) <= _MOST_BAD * len(rows.cells)):
            raise _ragged(table, rows, bad, found.lines_before, dialect, table_format)
        _set_apart(table, rows, bad, found)
    for row, cells in enumerate(table.rows, start=1) if rows.long else ():
        table.check_lengths(row, cells, table_format.max_cell)


def _ragged(
    table: Table, rows: _Rows, bad: list[int], before: int, dialect: CsvDialect, table_format: TableFormat
) -> InputError:
    k, width = bad[0], len(table.columns)
    cells = rows.cells[k]
    message = f"{table.name}: {place(k + 1, '', before + rows.lines[k] + 1)}: {_wrong_number(table, cells)}"
    most = len(bad) > _MOST_BAD * len(rows.cells)
    if most and len(rows.cells) > 1:
        wrong = "the delimiter" if table_format.no_header else "the header or the delimiter"
        share = f"more than half of the rows ({len(bad):,} of {len(rows.cells):,}) have another number of cells"
        message = f"{message}; {share}, so that {wrong} is probably wrong"
    quoted = dialect.quoting == "minimal" and any(cell.endswith("\\") for cell in cells) and len(cells) > width
    if quoted and not (most and len({len(rows.cells[k]) for k in bad}) == 1):
        return InputError(message, hint="pass `quoting=backslash` if a backslash takes the meaning from the next character")
    if most:
        title = ", or `skip=1` if the first line is a title" if not table_format.no_header else ""
        return InputError(message, hint=f"pass another `delimiter` (none for a single column){title}")
    others = "`skip_bad=FILE` to set such rows apart" if not table_format.skip_bad else "`delimiter=none` for a single column"
    return InputError(message, hint=f"quote cells that hold the delimiter, or pass another `delimiter`, or {others}")


def _wrong_number(table: Table, cells: list[str]) -> str:
    width = len(table.columns)
    column = f": no cell for column '{table.columns[len(cells)]}'" if len(cells) < width else ""
    return f"{count(len(cells), 'cell')} where the header has {count(width, 'column')}{column}"


def _set_apart(table: Table, rows: _Rows, bad: list[int], found: CsvText) -> None:
    lines = list(io.StringIO(found.text, newline=""))
    ends = {k: rows.lines[k + 1] if k + 1 < len(rows.lines) else len(lines) for k in bad}
    table.bad_rows = tuple(
        BadRow(
            found.lines_before + rows.lines[k] + 1,
            _wrong_number(table, rows.cells[k]),
            "".join(lines[rows.lines[k] : ends[k]]).rstrip("\r\n"),
        )
        for k in bad
    )
    table.warnings = describe_bad_rows(table.name, table.bad_rows)
    wrong = set(bad)
    table.rows = collected_rows(cells for k, cells in enumerate(rows.cells) if k not in wrong)


def _lines(text: str, start: int, stop: int) -> str:
    return "".join(islice(_stream_lines(text), start, stop))


def _stream_lines(text: str) -> Iterator[str]:
    return iter(io.StringIO(text, newline=""))


def _newline(found: CsvText) -> str:
    """How the first line ends; a cell further down may hold other line ends."""
    return "\r\n" if next(iter(found.lines()), "").endswith("\r\n") else "\n"


def _bad_quotes(table: Table, rows: int, broken: str, line: int, dialect: CsvDialect) -> InputError:
    """The error for `broken`, which starts after `rows` rows and `line` lines and cannot be read to its end."""
    follows = _text_after_quote(broken, dialect)
    end = _first_place(broken, dialect) if follows else len(broken)
    cells = next(csv_reader(broken[:end], dialect, strict=False), [""])
    column = table.columns[len(cells) - 1] if len(cells) <= len(table.columns) else ""
    where = place(rows + 1 if table.columns else 0, column, line + 1)
    none = "or pass `quoting=none` if quotes only mean themselves"
    if '\\"' in broken and dialect.quoting == "minimal":
        none = "or pass `quoting=backslash` if a backslash stands before quotes"
    if not follows:
        return InputError(
            f"{table.name}: {where}: a quote opens here and never closes", hint=f"close or double the quote, {none}"
        )
    return InputError(
        f"{table.name}: {where}: text follows a closing quote", hint=f'inside a quoted cell, write "" for a quote, {none}'
    )


def _first_place(broken: str, dialect: CsvDialect) -> int:
    """Length of the shortest start of `broken` in which text follows a closing quote; what comes later is not parsed."""
    most = 1024
    while most < len(broken) and not _text_after_quote(broken[:most], dialect):
        most *= 2
    return bisect_left(range(min(most, len(broken))), True, key=lambda length: _text_after_quote(broken[:length], dialect))


def _text_after_quote(text: str, dialect: CsvDialect) -> bool:
    try:
        next(csv_reader(text, dialect), None)
    except csv.Error as error:
        return "expected after" in str(error)
    return False
