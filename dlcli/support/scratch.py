"""Files for what does not fit into memory. They have no name, so nothing is left of them however a run ends."""

import errno
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_place: ContextVar[Path | None] = ContextVar("place", default=None)


@contextmanager
def scratch_beside(output: Path | None) -> Iterator[None]:
    """Make the scratch files of what runs inside on the disk of the output file; without one, where TMPDIR says."""
    folder = None if output is None or (output.exists() and not output.is_file()) else Path(os.path.realpath(output)).parent
    before = _place.set(folder if folder is not None and folder.is_dir() else None)
    try:
        yield
    finally:
        _place.reset(before)


def scratch_folder() -> Path:
    """The folder on whose disk scratch files are."""
    return _place.get() or Path(tempfile.gettempdir())


class RawFile:
    """An open file, read and written at given places; it is closed once nothing refers to it."""

    def __init__(self, handle: int) -> None:
        self._handle, self.size = handle, os.fstat(handle).st_size
        weakref.finalize(self, os.close, handle)

    def fileno(self) -> int:
        """The handle."""
        return self._handle

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`."""
        found = os.pread(self._handle, stop - start, start)
        while len(found) < stop - start:
            more = os.pread(self._handle, stop - start - len(found), start + len(found))
            if not more:
                raise OSError(errno.EIO, "a file got shorter while it was read")
            found += more
        return found

    def write(self, start: int, data: bytes) -> None:
        """Write bytes at `start`."""
        rest = memoryview(data)
        while len(rest):
            written = os.pwrite(self._handle, rest, start)
            start, rest = start + written, rest[written:]
        self.size = max(self.size, start)

    def append(self, data: bytes) -> None:
        """Write bytes at the end."""
        self.write(self.size, data)


def scratch_file() -> RawFile:
    """A new file, which is gone as soon as it is closed or the process ends."""
    with tempfile.TemporaryFile(dir=scratch_folder(), prefix=".dlcli-", buffering=0) as file:
        return RawFile(os.dup(file.fileno()))


def opened(path: Path) -> RawFile:
    """An existing file, to be read."""
    return RawFile(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))


def new_file(path: Path) -> RawFile:
    """A file with a name, to be written."""
    return RawFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666))
