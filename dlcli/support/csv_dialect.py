"""Find out how the cells of a csv are separated and quoted, from its first rows.

A delimiter is one that stands in the header and gives the rows as many cells as that has. Where this leaves a single column
although a mark stands in the rows as regularly as a delimiter would, the table is refused instead of guessed.
"""

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property, partial
from itertools import islice, takewhile
from typing import Any, Literal, NamedTuple

from dlcli.support.errors import InputError
from dlcli.support.table_content import TextSource
from dlcli.support.table_format import SINGLE, TableFormat, delimiter_name

DELIMITERS = (",", ";", "\t", "|")
_NO_DELIMITERS = frozenset(" \"'_-.()[]{}<>\r\n")
"""Marks that prose and names are full of; others may be delimiters."""
_RARE = "%#^~\u00a6\u00a7\x01\x02\x1e\x1f"
"""Marks that stand in each row only if they are delimiters."""
_SAMPLE_ROWS, _SAMPLE_CHARACTERS, _SAMPLE_LINES = 100, 200_000, 5
_UNCUT = "\udc81"  # a delimiter that no text holds, since no decoder gives a lone surrogate
_ESCAPED = str.maketrans("\udc82\udc83\udc84", "\n\t\r")
_LINE_END = re.compile(r"\r\n|\r|\n")
_SEP = re.compile(r'"?sep=([^\r\n])"?(?=[\r\n])', re.IGNORECASE)


class CsvDialect(NamedTuple):
    """How a csv is read.

    Attributes:
        delimiter: The character between cells, or `SINGLE`.
        quoting: One of `QUOTINGS`.
        trim: Which blanks are no part of a cell: after its closing quote (after), before its opening quote too (both), or none.
    """

    delimiter: str
    quoting: str = "minimal"
    trim: Literal["", "after", "both"] = ""

    @property
    def plain(self) -> bool:
        """Whether the csv module reads it as it is."""
        return self.quoting == "none" or (self.quoting == "minimal" and not self.trim)


class CsvText:
    """The text of a csv from its header on.

    Attributes:
        head: The first letters, enough to find the dialect.
        lines_before: The number of lines before the header.
        delimiter: The delimiter that such a line gives.
    """

    def __init__(
        self, head: str, lines_before: int, delimiter: str | None, lines: Callable[[], Iterable[str]] | None = None
    ) -> None:
        self.head, self.lines_before, self.delimiter, self._lines = head, lines_before, delimiter, lines

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.head if self._lines is None else "".join(self._lines())

    def lines(self) -> Iterable[str]:
        """Its lines, with their ends."""
        return io.StringIO(self.head, newline="") if self._lines is None else self._lines()


class _Shape(NamedTuple):
    """The first row, the number of others, and the fraction of these with as many cells, but for empty ones at the end."""

    first: list[str]
    others: int
    even: float


def csv_text(text: str, skip: int) -> CsvText:
    """Drop `skip` lines, and then the line `sep=;` with which Excel names the delimiter."""
    start, lines, delimiter = _header(text, skip)
    return CsvText(text[start:], lines, delimiter)


def csv_text_of(source: TextSource, skip: int) -> CsvText:
    """As `csv_text`, of a text that is decoded part by part; raises UnicodeError and NulError."""
    start, lines, delimiter = _header(source.head, skip)
    while not source.complete and len(source.head) - start <= _SAMPLE_CHARACTERS:
        source.grow(len(source.head))
        start, lines, delimiter = _header(source.head, skip)
    if source.complete:
        return CsvText(source.head[start:], lines, delimiter)
    return CsvText(source.head[start:], lines, delimiter, partial(source.lines, start))


class _Header(NamedTuple):
    """Where the header begins, the number of lines before it, and the delimiter that such a line gives."""

    start: int
    lines: int
    delimiter: str | None


def _header(text: str, skip: int) -> _Header:
    start = 0
    for _ in range(skip):
        found = _LINE_END.search(text, start)
        start = found.end() if found else len(text)
    lines, delimiter = skip, None
    if found := _SEP.match(text, start):
        delimiter, lines, start = found[1], skip + 1, found.end()
        end = _LINE_END.match(text, start)
        start = end.end() if end else start
    return _Header(start, lines, delimiter)


def csv_reader(text: str | Iterable[str], dialect: CsvDialect, *, strict: bool = True) -> Any:
    """A reader of the csv module; line numbers are those of `text`, which may be its lines if the dialect is `plain`."""
    csv.field_size_limit(sys.maxsize)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if dialect.quoting == "none" else csv.QUOTE_MINIMAL
    escape = "\\" if dialect.quoting == "backslash" else None
    stream = io.StringIO(_prepared(text, dialect), newline="") if isinstance(text, str) else text
    reader = csv.reader(stream, delimiter=dialect.delimiter or _UNCUT, strict=strict, quoting=quoting, escapechar=escape)
    return _Unescaped(reader) if dialect.quoting == "backslash" else reader


class _Unescaped:
    """A reader that restores the line ends and tabs that `_escape` has replaced, so that they do not count as lines."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __iter__(self) -> "_Unescaped":
        return self

    def __next__(self) -> list[str]:
        return [cell.translate(_ESCAPED) for cell in next(self._reader)]

    @property
    def line_num(self) -> int:
        return int(self._reader.line_num)


def _prepared(text: str, dialect: CsvDialect) -> str:
    """The text without what the csv module cannot read: blanks beside quotes, and the escapes of databases."""
    if dialect.quoting == "none":
        return text
    mark = re.escape(dialect.delimiter or _UNCUT)
    if dialect.trim:
        text = _cell_pattern(mark, dialect).sub(r"\1\2\3\4", text)
    return _escape(text, mark) if dialect.quoting == "backslash" else text


def cells_of(text: str, dialect: CsvDialect) -> Iterator[str]:
    """The cells that are not quoted, as they stand in the text."""
    for found in _cell_pattern(re.escape(dialect.delimiter or _UNCUT), dialect).finditer(text):
        yield found[3] or ""


def _cell_pattern(mark: str, dialect: CsvDialect) -> re.Pattern[str]:
    """Matches one cell and its end, wherever the one before has ended: in quotes (1, 2) or without (3, 4)."""
    blank = " " if dialect.delimiter == "\t" else "\t" if dialect.delimiter == " " else "[ \t]"
    inside = r'[^"\\]++|\\.|""' if dialect.quoting == "backslash" else '[^"]++|""'
    quoted = rf'{f"{blank}*+" if dialect.trim == "both" else ""}("(?:{inside})*+"){blank}*+'
    end = rf"({mark}|\r\n|\r|\n|\Z)"
    return re.compile(rf"{quoted}{end}|([^{mark}\r\n]*+){end}", re.DOTALL)


def _escape(text: str, mark: str) -> str:
    r"""Make `\N`, which is null, an empty cell, and `\n`, `\t` and `\r` characters that the reader restores."""
    text = re.sub(rf"(^|{mark}|[\r\n])\\N(?={mark}|[\r\n]|\Z)", r"\1", text)
    letters = {"\\n": "\udc82", "\\t": "\udc83", "\\r": "\udc84"}
    return re.sub(r"\\.", lambda found: letters.get(found[0], found[0]), text, flags=re.DOTALL)


def find_dialect(name: str, found: CsvText, table_format: TableFormat, *, tabs: bool) -> CsvDialect:
    """The dialect of a csv.

    Args:
        name: Name of the file, for messages.
        found: Its text.
        table_format: What is known of it.
        tabs: Whether a tab takes precedence, as in a .tsv.

    Returns:
        The dialect; a header without a delimiter is a single column.

    Raises:
        InputError: If the delimiter given is not in the first line, or if a single column looks like several.
    """
    sample, quoting = _sample(found), table_format.quoting or "minimal"
    if table_format.delimiter is None and found.delimiter is not None:
        return _trimming(sample, CsvDialect(found.delimiter, quoting))
    if table_format.delimiter is not None:
        dialect = CsvDialect(table_format.delimiter, quoting)
        if dialect.delimiter and len(_shape(sample, dialect).first) == 1:
            message = f"{name}: the first line does not contain {_shown(dialect.delimiter)}, the delimiter"
            raise InputError(message, hint="omit `delimiter`, or pass `delimiter=none` if there is a single column")
        return _trimming(sample, dialect)
    best, rival = _find_delimiter(sample, quoting, tabs=tabs, header=not table_format.no_header)
    if rival is not None:
        hint = f"pass `delimiter={delimiter_name(best)}` or `delimiter={delimiter_name(rival)}`"
        raise InputError(f"{name}: cells may be separated by {_shown(best)} or by {_shown(rival)}", hint=hint)
    if best == SINGLE:
        _check_single(name, sample, quoting)
    return _trimming(sample, CsvDialect(best, quoting))


def guess_dialect(text: str, table_format: TableFormat, *, tabs: bool) -> CsvDialect:
    """As `find_dialect`, without refusing anything: to find the place of a fault in a broken text."""
    quoting = table_format.quoting or "minimal"
    if table_format.delimiter is not None:
        return CsvDialect(table_format.delimiter, quoting)
    return CsvDialect(
        _find_delimiter(_sample(CsvText(text, 0, None)), quoting, tabs=tabs, header=not table_format.no_header).best, quoting
    )


def _sample(found: CsvText) -> str:
    """The first whole lines of a text, or all of it if they are long."""
    text = found.head
    end = 1 + max(text.rfind("\n", 0, _SAMPLE_CHARACTERS), text.rfind("\r", 0, _SAMPLE_CHARACTERS))
    long = len(text) > _SAMPLE_CHARACTERS and len(_LINE_END.findall(text, 0, end)) >= _SAMPLE_LINES
    return text[:end] if long else found.text


def _shape(sample: str, dialect: CsvDialect) -> _Shape:
    try:
        rows = [row for row in islice(csv_reader(sample, dialect, strict=False), _SAMPLE_ROWS) if row]
    except csv.Error:
        return _Shape([""], 0, 0.0)
    first, others = (rows or [[""]])[0], rows[1:]
    width = len(first) - (len(first) > 1 and not first[-1])
    even = sum(len(row) >= width and not any(row[len(first) :]) for row in others)
    return _Shape(first, len(others), even / len(others) if others else 1.0)


def _trimming(sample: str, dialect: CsvDialect) -> CsvDialect:
    """The dialect that trims both if blanks before quotes would otherwise cut cells, or enclose names in quotes."""
    if dialect.quoting == "none":
        return dialect
    trimmed = dialect._replace(trim="both")
    plain, other = _shape(sample, dialect), _shape(sample, trimmed)
    quoted = any(re.fullmatch(r'[ \t]+".*"', cell) for cell in plain.first)
    return trimmed if other.even > plain.even or quoted else dialect


class _Found(NamedTuple):
    """The likeliest delimiter, and another one that is as likely, if there is one."""

    best: str
    rival: str | None


def _find_delimiter(sample: str, quoting: str, *, tabs: bool, header: bool) -> _Found:
    line = _LINE_END.split(sample.lstrip("\r\n"), maxsplit=1)[0]
    marks = [*DELIMITERS, *sorted(mark for mark in set(line[:10_000]) if _may_delimit(mark) and mark not in DELIMITERS)]
    shapes = {mark: _shape(sample, CsvDialect(mark, quoting)) for mark in marks if mark in line}

    def rank(mark: str) -> tuple[bool, bool, bool, float, int]:
        shape = shapes[mark]
        return tabs and mark == "\t", shape.even > 0.9, mark in DELIMITERS, shape.even, len(shape.first)

    fit = [mark for mark in shapes if _fits(sample, mark, shapes[mark], header=header)]
    if not fit:
        return _Found(SINGLE, None)
    best = max(fit, key=rank)
    certain = (tabs and best == "\t") or shapes[best].even <= 0.9
    return _Found(best, None if certain else next((mark for mark in fit if _is_rival(sample, mark, best, shapes)), None))


def _is_rival(sample: str, mark: str, best: str, shapes: dict[str, _Shape]) -> bool:
    """Whether another mark cuts all rows as evenly as the best one does, into more cells, or as many if that is doubtful."""
    shape = shapes[mark]
    if mark == best or shape.even < 1 or not shape.others or not _tight(sample, mark):
        return False
    more = len(shape.first) - len(shapes[best].first)
    return more > 0 or (more == 0 and (mark in DELIMITERS or not _tight(sample, best)))


def _may_delimit(mark: str) -> bool:
    if mark in DELIMITERS or mark in _RARE:
        return True
    return not (mark.isalnum() or mark.isspace() or mark in _NO_DELIMITERS or "\ud800" <= mark <= "\udfff" or mark == "\0")


def _fits(sample: str, mark: str, shape: _Shape, *, header: bool) -> bool:
    """Whether a mark is a delimiter: one of `DELIMITERS` in the header is, any other if it leaves even rows under names."""
    if len(shape.first) == 1:
        return False
    if mark in DELIMITERS:
        return header or shape.even >= 0.5
    names = shape.first if shape.first[-1] else shape.first[:-1]
    named = not header or (len(names) > 1 and all(name.strip(' "')[:1].isalpha() for name in names))
    return named and shape.even == 1 and shape.others > 0 and _tight(sample, mark)


def _tight(sample: str, mark: str) -> bool:
    """Whether a mark mostly stands without a blank after it, unlike marks in prose."""
    after = re.findall(re.escape(mark) + r"(?:([^\s])|[^\r\n])", sample)
    return bool(after) and 2 * sum(map(bool, after)) >= len(after)


def _check_single(name: str, sample: str, quoting: str) -> None:
    """Refuse a single column if a mark stands in it as regularly as a delimiter."""
    line = _LINE_END.split(sample.lstrip("\r\n"), maxsplit=1)[0]
    for mark in sorted({*DELIMITERS, *_RARE, *filter(_may_delimit, line[:10_000])}):
        if not _tight(sample, mark):
            continue
        with suppress(csv.Error):
            reader = csv_reader(sample, CsvDialect(mark, quoting), strict=False)
            rows = [(row, reader.line_num) for row in islice(reader, _SAMPLE_ROWS) if row]
            comments = list(takewhile(lambda found: found[0][0].startswith("#"), rows))
            counts = [len(row) - 1 for row, _ in rows[len(comments) :]]
            if len(counts) > 1 and _is_regular(mark, counts[0], counts[1:]):
                raise _not_single(name, mark, title=not counts[0], comments=comments[-1][1] if comments else 0)


def _is_regular(mark: str, first: int, others: list[int]) -> bool:
    """Whether a mark stands in the first line and nearly all others, or, one of few marks, in nearly all equally often."""
    if first:
        return sum(map(bool, others)) > 0.9 * len(others)
    common = max(set(others), key=others.count)
    return common > 0 and len(others) > 1 and others.count(common) > 0.9 * len(others) and mark in (*DELIMITERS, *_RARE)


def _not_single(name: str, mark: str, *, title: bool, comments: int) -> InputError:
    message = f"{name}: would be a single column, but {_shown(mark)} stands in nearly every line"
    single = "`delimiter=none` if it is a single column"
    if comments and not title:
        return InputError(message, hint=f"pass `skip={comments}` if the lines before the header are comments, or {single}")
    skip = f", `skip={comments + 1}` if the line before the header is a title" if title else ""
    return InputError(message, hint=f"pass `delimiter={delimiter_name(mark)}`{skip}, or {single}")


def _shown(mark: str) -> str:
    return "a tab" if mark == "\t" else f"'{delimiter_name(mark)}'"
