"""Decodes the bytes of a table; an error names the place, what the file is instead, and what to do."""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any

from dlcli.support.errors import InputError, UsageError
from dlcli.support.suggest import did_you_mean

Cells = Iterator[tuple[int, str, Any]]
"""Row (0 is the header), column and cell, as far as the text can be read as a table."""

NUL = "\0"
_SHOWN = 40
_MARK = "\udc80"  # no decoder gives a lone surrogate
_ZIP = "a zip archive"
_OTHER_FILES = (
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "an image"),
    (rb"%PDF-", "a PDF document"),
    (rb"PK\x03\x04", _ZIP),
    (rb"\xd0\xcf\x11\xe0", "an old Office file, as .xls is"),
    (rb"\x28\xb5\x2f\xfd|BZh\d|\xfd7zXZ", "compressed, and not by gzip"),
    (rb"\x1f\x8b", "compressed by gzip twice"),
    (rb"(?s).{257}ustar", "a tar archive"),
    (rb"SQLite format 3\0", "an SQLite database"),
    (rb"\x80[\x02-\x05]", "a Python pickle, which may run code and is never opened"),
    (rb"\x93NUMPY|\x89HDF|ARROW1", "a file of numbers"),
)


_OTHER_TEXTS = (
    (
        rb"<!doctype html|<html[\s>]",
        "an HTML page",
        "look at it: it may be an error or a login, or save the table in it as csv",
    ),
    (rb"<\?xml\s", "an XML document", "save it as csv, or as JSON with one object per line"),
    (rb"\{\\rtf", "a document in Rich Text Format", "save it as csv"),
    (rb"version https://git-lfs\.github\.com/", "a pointer of Git LFS in place of the file", "fetch it: git lfs pull"),
)
"""Texts that could be read as a table of a single column: how they begin, what they are, and what to do."""
_MARK_OR_BLANKS = rb"(?i)(?:\xef\xbb\xbf)?\s*"
START = 1024
"""Bytes that tell what a text is."""


_USUAL = (
    *("utf-8", "cp1252", "latin-1", "utf-16", "utf-32", "cp1250", "cp1251", "iso-8859-15", "mac-roman", "koi8-r"),
    *("shift_jis", "cp932", "euc-jp", "gbk", "gb18030", "big5", "euc-kr"),
)
"""Encodings to suggest, the most usual first."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks with the encoding that they stand for; those of UTF-32 begin as those of UTF-16 do, and come first."""


def marked_encoding(data: bytes) -> str | None:
    """The encoding that a byte order mark gives, None without one."""
    return next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), None)


def decode(name: str, data: bytes, encoding: str | None, cells: Callable[[str], Cells]) -> str:
    """Decode the bytes of a table.

    Args:
        name: Name of the file, for messages.
        data: Its content.
        encoding: Any encoding that Python knows; None: UTF-8. A byte order mark overrides it, unless the bytes contradict that.
        cells: Reads a text as a table, to locate a fault by row and column.

    Returns:
        The text without a byte order mark.

    Raises:
        UsageError: If Python does not know the encoding.
        InputError: If bytes are not in the encoding, or there is a NUL.
    """
    given = check_encoding(encoding)
    marked = marked_encoding(data)
    if marked is not None and (encoding is None or _is_in(data, marked)):
        given = marked
    elif marked is not None:
        data = data[len(next(mark for mark in _MARKS if data.startswith(mark))) :]
    encoding = given
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _other(name, data, encoding) or _not_in(name, encoding, error, cells) from None
    except UnicodeError as error:
        raise InputError(f"{name}: is not {encoding}: {error}", hint="pass another `encoding`") from None
    if NUL in text:
        fault = InputError(f"{name}: {_first(cells(text), NUL)}holds a NUL byte", hint="delete it: tr -d '\\000'")
        raise _other(name, data, encoding) or fault
    return text.removeprefix("\ufeff")


def check_text(name: str, start: bytes) -> None:
    """Raise InputError for a page, a document or a pointer to a file in place of a table, by its first bytes."""
    for begins, what, hint in _OTHER_TEXTS:
        if re.match(_MARK_OR_BLANKS + b"(?:" + begins + b")", start):
            raise InputError(f"{name}: is not a table but {what}", hint=hint)


def check_encoding(encoding: str | None, *, field: str = "encoding") -> str:
    """The name by which Python knows an encoding, UTF-8 without one; raises UsageError, naming the `field`, if it does not."""
    try:
        given = codecs.lookup("utf-8" if encoding is None else encoding).name
        "".encode(given)  # some codecs, such as zlib, are not for text
    except (LookupError, UnicodeError, ValueError):
        hint = did_you_mean(str(encoding), _USUAL, f"such as {', '.join(_USUAL[:4])}; or omit it")
        raise UsageError(f"`{field}`: Python has no encoding '{encoding}'", hint=hint) from None
    return given


def _is_in(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def place(row: int, column: str = "", line: int = 0) -> str:
    """`row 3 (line 5), column 'text'`; parts that are not known are omitted, and row 0 is the header."""
    where = f"row {row}" if row else "header"
    where += f" (line {line})" if line else ""
    shown = column.encode("utf-8", "replace").decode()
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "\u2026"
    return f"{where}, column '{shown}'" if column else where


def _other(name: str, data: bytes, encoding: str) -> InputError | None:
    """The error for bytes that are another kind of file, or text in UTF-16 or UTF-32; None for any others."""
    if not encoding.startswith(("utf-16", "utf-32")) and (wide := _wide(data)):
        return InputError(f"{name}: is {wide[:6].upper()}", hint=f"pass `encoding={wide}`")
    for start, what in _OTHER_FILES:
        if re.match(start, data):
            if what == _ZIP:
                return InputError(f"{name}: is not a table but {what}", hint=f"unpack it: unzip -p {name} > table.csv")
            return InputError(f"{name}: is not a table but {what}", hint="give csv, tsv, JSON, parquet or xlsx, plain or .gz")
    return None


def _wide(data: bytes) -> str:
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "utf-32"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    # Without a mark: in UTF-16 the high byte of Latin letters, digits and delimiters is 0, the low byte never.
    start = data[:200]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if min(even, odd) or max(even, odd) < len(start) / 5:
        return ""
    return "utf-16-be" if even else "utf-16-le"


def _not_in(name: str, encoding: str, error: UnicodeDecodeError, cells: Callable[[str], Cells]) -> InputError:
    before = error.object[: error.start].decode(encoding).removeprefix("\ufeff")
    after = error.object[error.end :].decode(encoding, "replace")
    where = _first(cells(before + _MARK + after), _MARK)
    message = f"{name}: {where}byte 0x{error.object[error.start]:02x} is not {encoding.upper()}"
    if encoding != "utf-8":
        return InputError(message, hint="pass another `encoding`")
    if not (before + after.replace("\ufffd", "")).isascii():
        return InputError(message, hint="the rest is; retype that cell, or drop such bytes: iconv -c -f utf-8 -t utf-8")
    return InputError(message, hint="pass `encoding=cp1252` if the file comes from Windows or Excel")


def _first(cells: Cells, mark: str) -> str:
    for row, column, cell in cells:
        if mark in column or (isinstance(cell, str) and mark in cell):
            return f"{place(row, column)}: "
    return ""
