"""The content of a table: bytes in memory, or a file of which a part is read at a time."""

import codecs
import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from dlcli.support.decode import NUL, check_encoding, marked_encoding
from dlcli.support.scratch import RawFile

_CHUNK = 1 << 20
_WHOLE = frozenset(("idna", "punycode", "raw_unicode_escape", "unicode_escape", "utf-7"))
"""Encodings whose text depends on more than the part that is read."""


class NulError(Exception):
    """A text holds a NUL."""


class Content:
    """The bytes of a table, unzipped."""

    def __init__(self, data: bytes | RawFile) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self._data) if isinstance(self._data, bytes) else self._data.size

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`, or to the end."""
        data, stop = self._data, min(stop, self.size)
        return data[start:stop] if isinstance(data, bytes) else data.read(start, max(start, stop))

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in parts."""
        for start in range(0, self.size, _CHUNK):
            yield self.read(start, start + _CHUNK)

    def stream(self) -> io.BufferedReader:
        """All bytes, as a stream."""
        return io.BufferedReader(_Stream(self), _CHUNK)

    def whole(self) -> bytes:
        """All bytes at once."""
        return self._data if isinstance(self._data, bytes) else self.read(0, self.size)


class _Stream(io.RawIOBase):
    """The bytes of a content as a stream."""

    def __init__(self, content: Content) -> None:
        self._content, self._place = content, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._content.read(self._place, self._place + len(buffer))
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)


class TextSource:
    """The text of a content that is decoded part by part, without a byte order mark.

    Attributes:
        head: The first letters.
        complete: Whether these are all.
    """

    def __init__(self, content: Content, encoding: str) -> None:
        self._content, self._encoding, self._newline = content, encoding, ""
        self.head, self.complete, self._mark = "", False, 0
        self.grow(1)

    def grow(self, letters: int) -> None:
        """Read at least `letters` more, if there are that many; raises UnicodeError and NulError."""
        wanted = len(self.head) + letters
        with closing(self._opened("")) as stream:
            text = stream.read(wanted + _CHUNK)
        self._mark = int(text.startswith("\ufeff"))
        self.complete = len(text) < wanted + _CHUNK
        self.head = _without_nul(text[self._mark :])

    def lines(self, start: int = 0, newline: str = "") -> Iterator[str]:
        """The lines after the first `start` letters with their ends, of which `newline` is the only one or, if empty, any."""
        with closing(self._opened(newline)) as stream:
            stream.read(self._mark + start)
            yield from map(_without_nul, stream)

    def _opened(self, newline: str) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._content.stream(), self._encoding, newline=newline)


def _without_nul(text: str) -> str:
    if NUL in text:
        raise NulError
    return text


def text_source(content: Content, encoding: str | None) -> TextSource | None:
    """The text of a content in an encoding, or in that of its byte order mark; None if it cannot be decoded part by part.

    Raises UsageError if Python has no such encoding, UnicodeError, and NulError.
    """
    given = check_encoding(encoding)
    marked = marked_encoding(content.read(0, 4))
    if given in _WHOLE or (marked is not None and encoding is not None):
        return None
    return TextSource(content, marked or given)


def is_text_in(parts: Iterable[bytes], encoding: str) -> bool:
    """Whether bytes are a text in an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for part in parts:
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True
