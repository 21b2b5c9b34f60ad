"""Reads csv, tsv and JSON tables, plain or gzipped, without changing a cell.

All cells of a csv are str: "NA", "007" and "1e5" stay as they are. Messages number rows from 1, without the header.
"""

import codecs
import gzip
import re
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

from dlcli.support.bounded_read import check_room, check_table, read_content
from dlcli.support.decode import START, check_text, marked_encoding
from dlcli.support.errors import DlcliError, InputError, MissingInputError
from dlcli.support.read_csv import read_csv
from dlcli.support.read_json import read_json
from dlcli.support.scratch import opened
from dlcli.support.suggest import meant_path
from dlcli.support.table_content import Content, is_text_in
from dlcli.support.table_format import DEFAULT_FORMAT, TableFormat
from dlcli.support.tables import Table

_START = 1 << 16
"""Bytes that tell what a file is."""
_SMALL = 1 << 24
"""Bytes of a file that is read at once."""
# An object, or an array of them, after a byte order mark of any encoding and blanks.
_JSON = re.compile(rb"[\xef\xbb\xbf\xfe\xff\0\s]*(\[[\s\0]*)?\{")


def read_table(source: str, table_format: TableFormat = DEFAULT_FORMAT) -> Table:
    """Read a table from a path, or from standard input (-).

    Raises InputError if the file cannot be read or is not such a table, and UsageError if Python does not know the encoding.
    """
    name, content = open_content(source, table_format)
    return parse_table(name, content, table_format)


def parse_table(name: str, content: bytes | Content, table_format: TableFormat = DEFAULT_FORMAT) -> Table:
    """Parse the content of a table: csv, tsv or JSON by the suffix of its name, otherwise by its first bytes.

    Raises InputError, naming file, row and column, if it cannot be read, and UsageError if Python does not know the encoding.
    """
    content = Content(content) if isinstance(content, bytes) else content
    check_text(name, content.read(0, START))
    if content_kind(name, content) == "jsonl":
        table = read_json(name, content, table_format)
    else:
        table = read_csv(name, content, table_format, tabs=name.lower().removesuffix(".gz").endswith(".tsv"))
    table.warnings += _misread_warning(name, content, table_format.encoding)
    return table


def _misread_warning(name: str, content: Content, encoding: str | None) -> tuple[str, ...]:
    """A warning if bytes were read in the given `encoding` although they are UTF-8 beyond ASCII, which is hardly by chance."""
    if encoding is None or marked_encoding(content.read(0, 4)) is not None:
        return ()
    plain = codecs.lookup(encoding).name.startswith("utf") or all(part.isascii() for part in content.chunks())
    if plain or not is_text_in(content.chunks(), "utf-8"):
        return ()
    return (f"{name}: is UTF-8, but was read as {encoding}; omit `encoding`",)


def read_bytes(source: str, table_format: TableFormat = DEFAULT_FORMAT, *, others: Iterable[str] = ()) -> tuple[str, bytes]:
    """Read a file, or standard input (-), as a whole.

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
    name, content = open_content(source, table_format, others=others)
    check_table(content.size, name)
    return name, content.whole()


def open_content(source: str, table_format: TableFormat = DEFAULT_FORMAT, *, others: Iterable[str] = ()) -> tuple[str, Content]:
    """Open a file; what cannot be read twice, such as standard input (-), is copied to a scratch file if it is large.

    Args:
        source: Path of the file, or -.
        table_format: How it is read, of which the limit on cells holds while it is unpacked.
        others: Names of tables that are no files, which may have been meant if there is no such file.

    Returns:
        The name for messages, and the content, unzipped if it is gzip.

    Raises:
        InputError: If it cannot be read, or holds a cell that is too long.
        ResourceError: If it does not fit onto the disk.
    """
    name = "standard input" if source == "-" else source
    try:
        content = _opened(source, name, table_format)
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
    return name, _unzip(name, content, table_format) if content.read(0, 2) == b"\x1f\x8b" else content


def _opened(source: str, name: str, table_format: TableFormat) -> Content:
    if source == "-":
        return read_content(sys.stdin.buffer, name, table_format.max_cell, table_format.delimiter)
    path = Path(source)
    if not path.is_file():  # a pipe, whose size is not known
        with path.open("rb") as stream:
            return read_content(stream, name, table_format.max_cell, table_format.delimiter)
    size = path.stat().st_size
    if size <= _SMALL:
        return Content(path.read_bytes())
    check_room(size, name)
    return Content(opened(path))


def _unzip(name: str, content: Content, table_format: TableFormat) -> Content:
    try:
        with gzip.GzipFile(fileobj=content.stream()) as stream:
            return read_content(stream, name, table_format.max_cell, table_format.delimiter)
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


def content_kind(source: str, content: Content) -> str:
    """As `kind_of`, of a content, of which a zip archive is read as a whole."""
    return kind_of(source, content.whole() if content.read(0, 4) == b"PK\x03\x04" else content.read(0, _START))
