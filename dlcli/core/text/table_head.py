"""The column names of a table, as quickly as a shell wants them to complete a word."""

import gzip
from contextlib import suppress
from pathlib import Path

from dlcli.core.text.nested import flatten
from dlcli.core.text.table_input import SAMPLE, open_table
from dlcli.support.errors import DlcliError
from dlcli.support.read_tables import kind_of, parse_table
from dlcli.support.table_format import TableFormat

_HEAD = 1 << 16
_WHOLE = 20_000_000


def column_names(source: str, table_format: TableFormat) -> list[str]:
    """List the columns of a table, of a csv or JSON lines from the first 64 KiB.

    Args:
        source: Path of the file, or `questions`.
        table_format: How to read it.

    Returns:
        Their names; none if the table cannot be read, or is a workbook or parquet of more than 20 MB.
    """
    with suppress(OSError, EOFError, DlcliError):
        path = Path(source)
        if source == SAMPLE:
            return open_table(source).columns
        if not path.is_file():
            return []
        data = _head(path)
        kind = kind_of(path.name, data)
        if kind == "csv":
            return parse_table(path.name, data, table_format).columns
        if kind == "jsonl" and not data.lstrip().startswith(b"["):
            return flatten(parse_table(path.name, data, table_format)).columns
        if path.stat().st_size <= _WHOLE:
            return open_table(source, table_format).columns
    return []


def _head(path: Path) -> bytes:
    """The first bytes of a file, unzipped, up to the end of a line."""
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        data = gzip.GzipFile(fileobj=stream).read(_HEAD) if zipped else stream.read(_HEAD)
    return data if len(data) < _HEAD else data[: data.rfind(b"\n") + 1]
