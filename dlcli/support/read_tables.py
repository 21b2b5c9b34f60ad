"""Reads csv, tsv and JSON tables, plain or gzipped, without changing a cell.

All cells of a csv are str: "NA", "007" and "1e5" stay as they are. Messages number rows from 1, without the header.
"""

import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

from dlcli.support.bounded_read import check_table, read_whole
from dlcli.support.decode import misread_warning
from dlcli.support.errors import DlcliError, InputError, MissingInputError
from dlcli.support.read_csv import read_csv
from dlcli.support.read_json import read_json
from dlcli.support.suggest import meant_path
from dlcli.support.table_format import DEFAULT_FORMAT, TableFormat
from dlcli.support.tables import Table

# An object, or an array of them, after a byte order mark of any encoding and blanks.
_JSON = re.compile(rb"[\xef\xbb\xbf\xfe\xff\0\s]*(\[[\s\0]*)?\{")


def read_table(source: str, table_format: TableFormat = DEFAULT_FORMAT) -> Table:
    """Read a table from a path, or from standard input (-).

    Raises InputError if the file cannot be read or is not such a table, and UsageError if Python does not know the encoding.
    """
    name, data = read_bytes(source, table_format)
    return parse_table(name, data, table_format)


def parse_table(name: str, data: bytes, table_format: TableFormat = DEFAULT_FORMAT) -> Table:
    """Parse the content of a table: csv, tsv or JSON by the suffix of its name, otherwise by its first bytes.

    Raises InputError, naming file, row and column, if it cannot be read, and UsageError if Python does not know the encoding.
    """
    if kind_of(name, data) == "jsonl":
        table = read_json(name, data, table_format)
    else:
        table = read_csv(name, data, table_format, tabs=name.lower().removesuffix(".gz").endswith(".tsv"))
    table.warnings += misread_warning(name, data, table_format.encoding)
    return table


def read_bytes(source: str, table_format: TableFormat = DEFAULT_FORMAT, *, others: Iterable[str] = ()) -> tuple[str, bytes]:
    """Read a file, or standard input (-).

    Args:
        source: Path of the file, or -.
        table_format: How it is read, of which the limit on cells holds while it is unpacked.
        others: Names of tables that are no files, which may have been meant if there is no such file.

    Returns:
        The name for messages, and the content, unzipped if it is gzip.

    Raises:
        InputError: If it cannot be read, or holds a cell that is too long.
        ResourceError: If it does not fit into memory as a table.
    """
    name = "standard input" if source == "-" else source
    try:
        data = _read(source, name, table_format)
    except FileNotFoundError:
        raise MissingInputError(f"{name}: there is no such file", hint=meant_path(source, others)) from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder, not a table") from None
    except PermissionError:
        raise InputError(f"{name}: may not be read", hint="check the file's permissions") from None
    except DlcliError:
        raise
    except OSError as error:
        raise InputError(f"{name}: {(error.strerror or str(error)).lower()}") from None
    return name, _unzip(name, data, table_format) if data[:2] == b"\x1f\x8b" else data


def _read(source: str, name: str, table_format: TableFormat) -> bytes:
    if source == "-":
        return read_whole(sys.stdin.buffer, name, table_format.max_cell, table_format.delimiter)
    path = Path(source)
    if not path.is_file():  # a pipe, whose size is not known
        with path.open("rb") as stream:
            return read_whole(stream, name, table_format.max_cell, table_format.delimiter)
    check_table(path.stat().st_size, name)
    return path.read_bytes()


def _unzip(name: str, data: bytes, table_format: TableFormat) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return read_whole(stream, name, table_format.max_cell, table_format.delimiter)
    except DlcliError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name}: broken gzip file: {error}", hint="copy or fetch it again") from None


def kind_of(source: str, data: bytes = b"") -> str:
    """csv, jsonl (JSON of any form), parquet or xlsx, by the ending of the name or else by the content."""
    ending = source.lower().removesuffix(".gz").rpartition(".")[2]
    if data[:4] == b"PK\x03\x04" and (ending in ("xlsx", "xlsm") or b"xl/workbook" in data):
        return "xlsx"
    if ending in ("parquet", "pq") or data[:4] == b"PAR1":
        return "parquet"
    if ending in ("jsonl", "ndjson", "json") or (ending not in ("csv", "tsv", "txt") and _JSON.match(data)):
        return "jsonl"
    return "csv"
