"""Standard streams: closed or full ones are made usable, and nothing in a text can control the terminal that shows it."""

import io
import os
import re
import sys
import unicodedata
from contextlib import nullcontext, suppress
from typing import IO, Any

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


def has_unicode() -> bool:
    """Whether the locale says that the terminal shows UTF-8."""
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "")
    return locale.lower().replace("-", "").endswith("utf8") and os.environ.get("TERM") != "dumb"


def open_streams() -> None:
    """Point missing standard streams at the null device, write UTF-8, keep notes from failing, and show texts as they are.

    What is written to standard error, and to standard output on a terminal, is `printable`.
    """
    # In the order of their numbers, because the system gives out the lowest one that is free.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")  # type: ignore[union-attr]
    if sys.stdout.isatty():  # elsewhere it is data, whose values stay as they are
        raw = sys.stdout.detach()  # type: ignore[union-attr]
        sys.stdout = _Shown(raw, encoding="utf-8", errors="backslashreplace", newline="", line_buffering=True)
    if isinstance(getattr(sys.stderr, "buffer", None), io.BufferedWriter):
        raw = sys.stderr.detach()  # type: ignore[union-attr]
    else:
        raw = open(2, "wb", closefd=False)
    sys.stderr = _Notes(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
