"""Read sheets of Excel workbooks (.xlsx) with openpyxl, which the extra `excel` installs."""

import io
from contextlib import closing, suppress
from itertools import islice
from typing import Any
from zipfile import ZipFile

from dlcli.support.bounded_read import check_table, parts
from dlcli.support.errors import DlcliError, InputError, MissingExtraError
from dlcli.support.suggest import did_you_mean
from dlcli.support.table_format import TableFormat
from dlcli.support.tables import Table

_LONGEST_LETTER = 10
"""Bytes of a letter at most: those of a number of Unicode in XML."""
_SHOWN = 200
"""Characters of a message of another library, which may hold half of a damaged file."""


def read_workbook(name: str, data: bytes, table_format: TableFormat) -> Table:
    """Read a sheet: the one that `table_format` names, or the first that is not empty, with a warning if there are others.

    Cells keep their types: numbers, dates and truth values; formulas are read as the values that Excel has stored. Rows that
    are empty are skipped. Raises InputError if the bytes are not a workbook, if the sheet does not exist or is empty, or if it
    has a formula of which no value is stored, as programs write them that do not compute it.
    """
    sheets = _sheets(name, data, table_format)
    chosen = _choose(name, sheets, table_format.sheet)
    _check_formulas(name, data, chosen, sheets.get(chosen, []), table_format.skip)
    rows = _trimmed(sheets.get(chosen, [])[table_format.skip :])
    if not rows:
        raise InputError(f"{name}: sheet '{chosen}' is empty", hint="a table starts with a row of column names")
    columns = [str(k + 1) for k in range(len(rows[0]))]
    if not table_format.no_header:
        columns = ["" if cell is None else str(cell) for cell in rows.pop(0)]
    table = Table(columns, rows, name=name, kind="xlsx")
    for row, cells in enumerate(rows, start=1):
        table.check_lengths(row, cells, table_format.max_cell)
    others = [f"'{sheet}'" for sheet, cells in sheets.items() if sheet != chosen and _trimmed(cells)]
    if others and table_format.sheet is None:
        table.warnings = (f"{name}: read sheet '{chosen}' only, not {', '.join(others)}; another: `sheet=NAME`",)
    return table


def _sheets(name: str, data: bytes, table_format: TableFormat) -> dict[str, list[list[Any]]]:
    """The rows of each worksheet, none for an empty one."""
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError("reading .xlsx", "excel") from None
    try:
        _check_members(name, data, table_format.max_cell)
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        with closing(book):
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # those that the file states may be wrong, and rows beyond them would be lost
            return {sheet.title: [list(map(_value, row)) for row in sheet.iter_rows()] for sheet in book.worksheets}
    except (DlcliError, MemoryError):
        raise
    except Exception as error:  # openpyxl raises whatever a damaged part leads to
        raise InputError(
            f"{name}: not a workbook: {' '.join(str(error).split())[:_SHOWN]}", hint="save it as .xlsx or csv again"
        ) from None


def _value(cell: Any) -> Any:
    """The value of a cell; that of a formula may be an empty text, which is not nothing."""
    return "" if cell.value is None and cell.data_type == "str" else cell.value


def _check_formulas(name: str, data: bytes, sheet: str, rows: list[list[Any]], skip: int) -> None:
    """Raise InputError if a formula has no stored value, which would read as an empty cell."""
    import openpyxl

    with ZipFile(io.BytesIO(data)) as archive:
        parts = (archive.read(part) for part in archive.namelist() if part.startswith("xl/worksheets/"))
        if not any(b"<f>" in part or b"<f " in part for part in parts):
            return
    empty: list[str] = []
    with closing(openpyxl.load_workbook(io.BytesIO(data), read_only=True)) as book:
        book[sheet].reset_dimensions()
        cells = islice(zip(book[sheet].iter_rows(), rows, strict=True), skip, None)
        with suppress(Exception):  # of a formula that openpyxl cannot parse; what is stored was read all the same
            for row, values in cells:
                pairs = zip(row, values, strict=True)
                empty += [cell.coordinate for cell, value in pairs if cell.data_type == "f" and value is None]
    if empty:
        where = f"{name}: sheet '{sheet}', cell {empty[0]}"
        hint = "open it in a spreadsheet program and save it, which computes them"
        raise InputError(f"{where}: a formula without a stored value ({len(empty):,} in all)", hint=hint)


def _check_members(name: str, data: bytes, max_cell: int) -> None:
    """Check the size of what is packed, and that no text in it is far longer than a cell may be."""
    with ZipFile(io.BytesIO(data)) as archive:
        check_table(sum(member.file_size for member in archive.infolist()), name)
        for member in archive.infolist():
            if member.file_size > _LONGEST_LETTER * max_cell and member.filename.endswith(".xml"):
                with archive.open(member) as stream:
                    for _ in parts(stream, name, max_cell, b"<", _LONGEST_LETTER):
                        pass


def _choose(name: str, sheets: dict[str, list[list[Any]]], wanted: str | None) -> str:
    if wanted is None:
        return next((sheet for sheet, rows in sheets.items() if _trimmed(rows)), next(iter(sheets), ""))
    if wanted not in sheets:
        raise InputError(f"{name}: has no sheet '{wanted}'", hint=did_you_mean(wanted, sheets))
    return wanted


def _trimmed(rows: list[list[Any]]) -> list[list[Any]]:
    """The rows that hold anything, of one width, without columns at the end that hold nothing."""
    rows = [row for row in rows if any(_holds(cell) for cell in row)]
    width = max((k + 1 for row in rows for k, cell in enumerate(row) if _holds(cell)), default=0)
    return [[*row[:width], *[None] * (width - len(row))] for row in rows]


def _holds(cell: Any) -> bool:
    return cell is not None and cell != ""
