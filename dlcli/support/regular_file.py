"""Whether a path is a file that can be read to its end: opening a FIFO or a device may wait for ever."""

import os
import stat
from pathlib import Path

from dlcli.support.errors import InputError

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class UnreadableFileError(InputError):
    """A path is that of a FIFO, a device, a socket or a folder, or of a file that may not be read."""


def kind_of(path: Path) -> str:
    """What stands at a path instead of a regular file, such as `a FIFO`; empty for a regular file or where there is nothing."""
    try:
        return _KINDS.get(stat.S_IFMT(path.stat().st_mode), "")
    except OSError:
        return ""


def check_regular(path: Path) -> None:
    """Raise UnreadableFileError if there is something at `path` other than a regular file that may be read.

    Libraries report a file that may not be read as a damaged or a missing one.
    """
    if kind := kind_of(path):
        raise UnreadableFileError(f"{path}: is {kind}, not a file")
    if os.path.lexists(path) and not os.access(path, os.R_OK) and path.is_file():
        raise UnreadableFileError(f"{path}: may not be read", hint="check its permissions")
