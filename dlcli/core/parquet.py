"""Read and write parquet tables with pyarrow, which the extra `parquet` installs."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from dlcli.support.atomic import atomic_path
from dlcli.support.errors import InputError, MissingExtraError, ResourceError
from dlcli.support.memory import check_memory
from dlcli.support.plural import count
from dlcli.support.table_format import DEFAULT_FORMAT, TableFormat
from dlcli.support.tables import Table

_MAGIC = b"PAR1"
"""The first and the last bytes of a parquet file."""
_ROW, _CELL = 64, 16
"""Bytes of memory that a row and a cell take at least, as Python's objects."""


def read_parquet(name: str, data: bytes, table_format: TableFormat = DEFAULT_FORMAT) -> Table:
    """Parse the bytes of a parquet file.

    Raises InputError if they are not one or a cell is too long, and ResourceError if the table does not fit into memory.
    """
    arrow, parquet = pyarrow_modules("reading parquet")
    # A copy that Arrow owns: its threads may release a Python object only after the interpreter has ended, which aborts.
    copy = arrow.BufferOutputStream()
    copy.write(data)
    try:
        _check_size(name, parquet.read_metadata(arrow.BufferReader(copy.getvalue())))
        origin = parquet.read_table(arrow.BufferReader(copy.getvalue()))
    except ResourceError:
        raise
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last of a damaged name
        raise _not_parquet(name, data, str(error)) from None
    if not origin.num_columns:
        raise InputError(f"{name}: a parquet file without columns")
    columns = [_cells(name, origin.column_names[k], column) for k, column in enumerate(origin.columns)]
    rows = [list(row) for row in zip(*columns, strict=True)]
    table = Table(list(origin.column_names), rows, name=name, kind="parquet", origin=origin)
    table.origin_columns, table.origin_rows = len(columns), range(len(rows))
    for row, cells in enumerate(rows, start=1):
        table.check_lengths(row, cells, table_format.max_cell)
    return table


def _not_parquet(name: str, data: bytes, why: str) -> InputError:
    """The error for bytes that cannot be read, by how they begin and end."""
    if data[:4] != _MAGIC:
        hint = "rename it if it is a csv, JSON or xlsx, or write it as parquet again"
        return InputError(f"{name}: not a parquet file, although its name ends so", hint=hint)
    cut = "it does not end as one, so it was cut off" if data[-4:] != _MAGIC else " ".join(why.split()).rstrip(".")
    return InputError(f"{name}: a damaged parquet file: {cut}", hint="copy or fetch it again")


def _check_size(name: str, metadata: Any) -> None:
    """Check what is declared to be in the file, of which a few bytes can stand for any number of rows."""
    packed = sum(metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups))
    needed = packed + metadata.num_rows * (_ROW + _CELL * metadata.num_columns)
    check_memory(needed, f"{name}: a table of {count(metadata.num_rows, 'row')}", hint="split it")


def _cells(name: str, column: str, values: Any) -> list[Any]:
    """The cells of a column as Python's types; bytes that are UTF-8 throughout are texts, as Spark and Hive write them."""
    try:
        found: list[Any] = values.to_pylist()
    except (ValueError, OverflowError) as error:  # dates that Python's types do not hold
        raise InputError(f"{name}: column '{column}' cannot be read: {error}", hint="write it as text or numbers") from None
    if all(isinstance(cell, bytes) or cell is None for cell in found):
        with suppress(UnicodeDecodeError):
            return [None if cell is None else cell.decode() for cell in found]
    return found


def write_parquet(table: Table, path: Path) -> None:
    """Write a table atomically; columns that came from parquet keep their types.

    Raises InputError naming a column whose cells are of several types, or of a type that parquet lacks.
    """
    arrow, parquet = pyarrow_modules("writing parquet")
    old = table.origin_columns if table.kind == "parquet" and table.origin is not None else 0
    if not old:
        table.check_names()
    columns = dict(zip(table.columns[old:], _transposed(table, old), strict=True))
    added = arrow.table({name: _array(arrow, table.name, name, cells) for name, cells in columns.items()})
    if old:
        kept = table.origin.take(list(table.origin_rows))
        for name in added.column_names:
            kept = kept.append_column(name, added.column(name))
        added = kept
    with atomic_path(path) as temporary:
        parquet.write_table(added, temporary)


def _array(arrow: Any, table: str, column: str, cells: list[Any]) -> Any:
    try:
        return arrow.array(cells)
    except (arrow.ArrowException, ValueError, OverflowError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{table}: column '{column}' cannot be written as parquet: {why}", hint="write csv or jsonl") from None


def _transposed(table: Table, first: int) -> list[list[Any]]:
    return [[row[k] for row in table.rows] for k in range(first, len(table.columns))]


def pyarrow_modules(what: str) -> tuple[Any, Any]:
    """Import pyarrow.

    Args:
        what: What it is needed for, for the message.

    Returns:
        The modules pyarrow and pyarrow.parquet.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(what, "parquet") from None
    return pyarrow, pyarrow.parquet
