"""Standard streams: closed or full ones are made usable, and nothing in a text can control the terminal that shows it."""

import errno
import fcntl
import io
import os
import re
import sys
import unicodedata
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, Any

STDOUT = "standard output"
"""What stands for the name of a file in an error that is about this stream."""
_UNUSUAL = re.compile(r"[^\x20-\x7e]")
_OUTSIDE_LINE_ENDS = re.compile(r"\r(?!\n)|[^\x20-\x7e\r\n\t]")
_JOINERS = "\u200c\u200d"  # between letters of several scripts, and parts of an emoji


def printable(text: str) -> str:
    """The text on one line, with escapes for what moves the cursor, starts a sequence of the terminal or reorders letters."""
    return _UNUSUAL.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    letter = found[0]
    if letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs":
        return letter
    number = ord(letter)
    if number < 0x20:
        return letter.encode("unicode_escape").decode()
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"  # as JSON and TOML write it


class _Shown(io.TextIOWrapper):
    """A stream that is read on a screen: whatever is written to it is `printable`, with its line ends and tabs."""

    def write(self, text: str) -> int:
        super().write(_OUTSIDE_LINE_ENDS.sub(_shown, text))
        return len(text)


class _Notes(_Shown):
    """Standard error: what cannot be written there, as on a full disk, is dropped, for the result does not depend on it."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


class _Named(io.FileIO):
    """Standard output, which an error that it raises names."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = STDOUT
            raise


class _Drawing:
    """A stream for what draws with sequences of the terminal and has made all texts `printable` itself."""

    def __init__(self, stream: _Shown) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError) if isinstance(self._stream, _Notes) else nullcontext():
            io.TextIOWrapper.write(self._stream, text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def drawing(stream: IO[str]) -> Any:
    """The stream, for Rich, whose own sequences must reach the terminal."""
    return _Drawing(stream) if isinstance(stream, _Shown) else stream


def check_stdout(output: Path | None) -> None:
    """Raise OSError if `output` names standard output, and that is closed."""
    if str(output) in ("/dev/stdout", "/dev/fd/1") and fcntl.fcntl(1, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), STDOUT)


def has_unicode() -> bool:
    """Whether the locale says that the terminal shows UTF-8."""
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "")
    return locale.lower().replace("-", "").endswith("utf8") and os.environ.get("TERM") != "dumb"


def open_streams() -> None:
    """Point missing standard streams at the null device, write UTF-8, keep notes from failing, and show texts as they are.

    What takes the place of a missing standard output cannot be written, so a result that should go there is an error. What is
    written to standard error, and to standard output on a terminal, is `printable`.
    """
    # In the order of their numbers, because the system gives out the lowest one that is free.
    # Only reading is possible from what replaces standard output, so that writing a result fails there as it should.
    for number, how in enumerate((os.O_RDWR, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, how)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    screen = sys.stdout.isatty()  # elsewhere it is data, whose values stay as they are
    data = io.BufferedWriter(_Named(sys.stdout.fileno(), "w", closefd=False))
    kind = _Shown if screen else io.TextIOWrapper
    sys.stdout = kind(data, encoding="utf-8", errors="backslashreplace", newline="", line_buffering=screen)
    if isinstance(getattr(sys.stderr, "buffer", None), io.BufferedWriter):
        raw = sys.stderr.detach()  # type: ignore[union-attr]
    else:
        raw = open(2, "wb", closefd=False)
    sys.stderr = _Notes(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
