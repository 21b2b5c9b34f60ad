"""Why a file cannot be read, in words for a message."""

from pathlib import Path

from dlcli.support.errors import DlcliError
from dlcli.support.regular_file import UnreadableFileError

UNKNOWN_IMAGE = ("UnidentifiedImageError", "not an image in a supported format")
"""Pillow's error for unknown formats, and its explanation."""


def failure_reason(path: Path, error: Exception, unknown: tuple[str, str] = ("", "")) -> str:
    """Explain why decoding a file failed; `unknown` is the class name of the error for unknown formats, and its explanation.

    A DlcliError is raised again: it is not about this image alone.
    """
    if isinstance(error, UnreadableFileError):
        return error.message.removeprefix(f"{path}: ")
    if isinstance(error, DlcliError):
        raise error
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "may not be read"
    if file_state(path)[0] == 0:
        return "is empty"
    if type(error).__name__ == unknown[0]:
        return unknown[1]
    words = str(getattr(error, "strerror", None) or error).split()
    return f"cannot be decoded ({' '.join(words) or type(error).__name__})"


def file_state(path: Path) -> tuple[int, int]:
    """The state of a file.

    Returns:
        Its size in bytes and its time of modification in nanoseconds; -1 for both if it cannot be examined.
    """
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
