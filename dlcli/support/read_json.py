"""Reads tables of JSON objects: one per line (jsonl), or in an array."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from dlcli.support.bad_rows import BadRow, describe_bad_rows
from dlcli.support.decode import Cells, decode
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.row_store import RowCollector, made_rows
from dlcli.support.table_content import Content, NulError, text_source
from dlcli.support.table_format import TableFormat
from dlcli.support.tables import Table

_DEEPEST = 200
"""Levels of nested cells that are read; writing them takes as many calls."""
_HINT = "a jsonl table has one JSON object per line, as jq -c . or jq -c '.[]' makes it"
_ARRAY = re.compile(r"\s*\[")


class _Line(NamedTuple):
    """The text of an object, without line ends, and the number of the line on which it starts."""

    text: str
    number: int


def read_json(name: str, content: Content, table_format: TableFormat) -> Table:
    """Parse objects; the table keeps their text, so that it can be written back unchanged.

    Raises InputError naming file and row, and UsageError if Python does not know the encoding.
    """
    with suppress(UnicodeError, NulError):
        source = text_source(content, table_format.encoding)
        if source is not None and not source.complete and not _ARRAY.match(source.head) and source.head.strip():
            return _parsed(name, _lines(source.lines(newline="\n")), table_format)
    text = decode(name, content.whole(), table_format.encoding, _cells)
    array = _ARRAY.match(text)
    return _parsed(name, _array(name, text, array.end()) if array else _lines(text.split("\n")), table_format)


def _parsed(name: str, lines: Iterable[_Line], table_format: TableFormat) -> Table:
    objects, kept, bad, long = RowCollector(name), RowCollector(name), list[BadRow](), False
    keys: dict[str, None] = {}
    for row, line in enumerate(lines, start=1):
        try:
            found = _object(name, row, line.text)
        except InputError as error:
            if not table_format.skip_bad:
                raise
            bad.append(BadRow(line.number, error.message.removeprefix(f"{name}: row {row}: "), line.text))
            continue
        objects.append(found)
        kept.append(line.text)
        keys.update(dict.fromkeys(found))
        long = long or any(isinstance(cell, str) and len(cell) > table_format.max_cell for cell in found.values())
    columns = list(keys)
    if not columns:
        raise _without_columns(name, len(objects), bad)
    rows = made_rows(lambda start, some: [[found.get(column) for column in columns] for found in some], objects.rows())
    table = Table(columns, rows, name=name, kind="jsonl", origin=kept.rows(), origin_columns=len(columns), bad_rows=tuple(bad))
    table.origin_rows = range(len(kept))
    table.warnings = describe_bad_rows(name, bad)
    for row, cells in enumerate(rows, start=1) if long else ():
        table.check_lengths(row, cells, table_format.max_cell)
    return table


def _without_columns(name: str, objects: int, bad: list[BadRow]) -> InputError:
    if bad and not objects:
        wrong = f"none of its {count(len(bad), 'row')} can be read; the first, in line {bad[0].line}: {bad[0].problem}"
        return InputError(f"{name}: {wrong}", hint=_HINT)
    what = "has objects without members only" if objects else "is empty"
    return InputError(f"{name}: {what}", hint="a jsonl table has one JSON object per line")


def _lines(lines: Iterable[str]) -> Iterator[_Line]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _Line(line.strip(), number)


def _array(name: str, text: str, start: int) -> Iterator[_Line]:
    """The elements of an array; a line end in JSON is never part of a value, so that a blank can stand for it."""
    decoder, number, counted = json.JSONDecoder(), 1, 0
    place = _end_of_blanks(text, start)
    while place < len(text) and text[place] != "]":
        try:
            end = decoder.raw_decode(text, place)[1]
        except ValueError as error:
            raise InputError(f"{name}: not JSON: {error}", hint=_HINT) from None
        except RecursionError:
            raise InputError(f"{name}: JSON nested too deeply") from None
        number, counted = number + text.count("\n", counted, place), place
        yield _Line(" ".join(text[place:end].split("\n")), number)
        place = _after_comma(name, text, end)
    if place >= len(text) or text[place + 1 :].strip():
        what = "text follows the array" if place < len(text) else "the array does not end"
        raise InputError(f"{name}: not JSON: {what}", hint=_HINT)


def _end_of_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _after_comma(name: str, text: str, place: int) -> int:
    place = _end_of_blanks(text, place)
    if text[place : place + 1] not in (",", "]", ""):
        raise InputError(f"{name}: not JSON: a comma is missing (line {text.count(chr(10), 0, place) + 1})", hint=_HINT)
    return _end_of_blanks(text, place + 1) if text[place : place + 1] == "," else place


def _object(name: str, row: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InputError(f"{name}: row {row}: not JSON: {error}", hint=_HINT) from None
    except RecursionError:
        raise InputError(f"{name}: row {row}: JSON nested too deeply") from None
    if not isinstance(found, dict):
        raise InputError(f"{name}: row {row}: JSON, but not an object", hint=_HINT)
    if line.count("[") + line.count("{") > _DEEPEST and _depth(found) > _DEEPEST:
        raise InputError(f"{name}: row {row}: JSON nested too deeply")
    return found


def _depth(value: Any) -> int:
    """How deeply lists and objects are nested."""
    level, depth = [value], 0
    while level:
        inside = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))]
        level, depth = [item for items in inside for item in items], depth + bool(inside)
    return depth


def _cells(text: str) -> Cells:
    """The cells of a text that may be broken, to find the place of a fault."""
    for row, line in enumerate(filter(str.strip, text.split("\n")), start=1):
        try:
            found = json.loads(line, strict=False)
        except (ValueError, RecursionError):
            found = {"": line}
        for column, cell in (found if isinstance(found, dict) else {"": line}).items():
            yield row, column, cell
