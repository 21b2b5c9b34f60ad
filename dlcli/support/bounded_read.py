"""Reads a stream to its end with limits that hold meanwhile: small files unpack to any size, and a device has no end."""

from collections.abc import Callable, Iterator
from typing import Protocol

from dlcli.support.errors import InputError
from dlcli.support.memory import check_disk, check_memory, size_text
from dlcli.support.scratch import scratch_file, scratch_folder
from dlcli.support.table_content import Content

_MEMORY = 4
"""Bytes of memory that a byte of a table takes at least: the byte, its letter, the lines and the cells."""
_CHUNK = 1 << 20
_HELD = 1 << 24
"""Bytes that are held until they are written to a scratch file, or at all if there are no more."""
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
    return b"".join(_from_start(stream, name, max_cell, delimiter, check_table))


def read_content(stream: Readable, name: str, max_cell: int, delimiter: str | None = None) -> Content:
    """Read a stream to its end, to a scratch file if it is large.

    Args:
        stream: What is read, such as standard input or a file that is unpacked.
        name: Its name, for messages.
        max_cell: Letters that a cell may have, see `read_whole`.
        delimiter: What separates cells, if it is known.

    Returns:
        What was read.

    Raises:
        InputError: If a cell is too long.
        ResourceError: If the disk has no room for what was read so far, and as much again.
    """
    file, held, size = None, list[bytes](), 0
    for part in _from_start(stream, name, max_cell, delimiter, check_room):
        held.append(part)
        size += len(part)
        if size > _HELD:
            file = file or scratch_file()
            file.append(b"".join(held))
            held.clear()
    return Content(b"".join(held) if file is None else file)


def _from_start(
    stream: Readable, name: str, max_cell: int, delimiter: str | None, check: Callable[[int, str], None]
) -> Iterator[bytes]:
    start = stream.read(_CHUNK)
    binary = start.startswith(_BINARY)  # where a long cell is found once it is parsed
    ends = bytes(range(256)) if binary else _ENDS + (delimiter or "").encode("utf-8", "ignore")
    yield start
    yield from parts(stream, name, max_cell, ends, check=check)


def parts(
    stream: Readable,
    name: str,
    max_cell: int,
    ends: bytes,
    letter: int = 6,
    check: "Callable[[int, str], None] | None" = None,
) -> Iterator[bytes]:
    """Read a stream part by part.

    Args:
        stream: What is read.
        name: Its name, for messages.
        max_cell: Letters that a cell may have.
        ends: Bytes of which one stands at the end of each cell.
        letter: Bytes of a letter at most; by default those of an escape in JSON.
        check: Refuses a table of that many bytes and of that name for which there is no room; None checks memory.

    Yields:
        The parts, of up to a megabyte.

    Raises:
        InputError: If there are far more bytes without any of `ends` than a cell may have.
        ResourceError: If there is no room for what was read so far.
    """
    size, checked, unbroken = 0, 64 * _CHUNK, 0
    while part := stream.read(_CHUNK):
        size += len(part)
        unbroken = unbroken + len(part) if len(part.translate(None, ends)) == len(part) else 0
        if unbroken > letter * max_cell:
            hint = f"is it a table? A `max_cell` above {max_cell} reads longer ones"
            raise InputError(f"{name}: a cell of more than {max_cell:,} characters", hint=hint)
        if size > checked:
            (check or check_table)(size, name)
            checked = size + size // 4
        yield part


def check_table(size: int, name: str) -> None:
    """Raise ResourceError if a table of `size` bytes or more does not fit into memory."""
    check_memory(_MEMORY * size, f"{name}: a table of {size_text(size)} or more", hint="split it")


def check_room(size: int, name: str) -> None:
    """Raise ResourceError if as much again as was read would not fit onto the disk."""
    check_disk(scratch_folder(), size, f"{name}: the rows of a table of {size_text(size)} or more", hint="split it")
