"""Reads a stream to its end with limits that hold meanwhile: small files unpack to any size, and a device has no end."""

from collections.abc import Iterator
from itertools import chain
from typing import Protocol

from dlcli.support.errors import InputError
from dlcli.support.memory import check_memory, size_text

_MEMORY = 4
"""Bytes of memory that a byte of a table takes at least: the byte, its letter, the lines and the cells."""
_CHUNK = 1 << 20
_BINARY = (b"PAR1", b"PK\x03\x04")
_ENDS = b'\n\r,;\t|"'


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end."""


def read_whole(stream: Readable, name: str, max_cell: int, delimiter: str | None = None) -> bytes:
    """Read a stream to its end.

    Args:
        stream: What is read, such as standard input or a file that is unpacked.
        name: Its name, for messages.
        max_cell: Letters that a cell may have; nothing more is read after far more bytes without any that could end a cell.
        delimiter: What separates cells, if it is known.

    Returns:
        What was read.

    Raises:
        InputError: If a cell is too long.
        ResourceError: If what was read so far does not fit into memory as a table.
    """
    start = stream.read(_CHUNK)
    binary = start.startswith(_BINARY)  # where a long cell is found once it is parsed
    ends = bytes(range(256)) if binary else _ENDS + (delimiter or "").encode("utf-8", "ignore")
    return b"".join(chain([start], parts(stream, name, max_cell, ends)))


def parts(stream: Readable, name: str, max_cell: int, ends: bytes, letter: int = 6) -> Iterator[bytes]:
    """Read a stream part by part.

    Args:
        stream: What is read.
        name: Its name, for messages.
        max_cell: Letters that a cell may have.
        ends: Bytes of which one stands at the end of each cell.
        letter: Bytes of a letter at most; by default those of an escape in JSON.

    Yields:
        The parts, of up to a megabyte.

    Raises:
        InputError: If there are far more bytes without any of `ends` than a cell may have.
        ResourceError: If what was read so far does not fit into memory as a table.
    """
    size, checked, unbroken = 0, 64 * _CHUNK, 0
    while part := stream.read(_CHUNK):
        size += len(part)
        unbroken = unbroken + len(part) if len(part.translate(None, ends)) == len(part) else 0
        if unbroken > letter * max_cell:
            hint = f"is it a table? A `max_cell` above {max_cell} reads longer ones"
            raise InputError(f"{name}: a cell of more than {max_cell:,} characters", hint=hint)
        if size > checked:
            check_table(size, name)
            checked = size + size // 4
        yield part


def check_table(size: int, name: str) -> None:
    """Raise ResourceError if a table of `size` bytes or more does not fit into memory."""
    check_memory(_MEMORY * size, f"{name}: a table of {size_text(size)} or more", hint="split it")
