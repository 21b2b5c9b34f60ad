"""Find the columns of a table that hold the texts, and those that divide it into blocks."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dlcli.core.text.column_evidence import NAMES, Evidence, column_evidence, name_weight
from dlcli.core.text.stored_texts import collected
from dlcli.support.blanks import is_blank
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.suggest import did_you_mean
from dlcli.support.tables import Table, cell_text

_LEAST = 0.1
"""Rank below which a column is not taken for texts: single words under a name like status reach 0.08."""
_NEAR = 0.5
"""A column is reported beside the chosen one from this fraction of its rank on."""
_FILLED = 0.1
"""Fraction of cells that are not blank below which a column is not chosen, only taken if it is named."""


class ColumnTexts(NamedTuple):
    """The `texts` of a column, "" for null and NaN, and the indices of the rows that are null or NaN, `nulls`."""

    texts: Sequence[str]
    nulls: list[int]


class TextColumnChoice(NamedTuple):
    """The indices `places` of the text columns, and the names of others that look almost as much like texts, best first."""

    places: tuple[int, ...]
    near: tuple[str, ...]


def choose_text_column(table: Table, name: str | None, *, field: str = "column") -> TextColumnChoice:
    """Choose the columns to compare: those called `name` (see `find_columns`), or else the one that looks most like texts.

    Names and cells count (see `Evidence`), the order of rows does not. `field` is the field of the configuration that names the
    column, for messages. Raises InputError, with the names of the columns, if there is no such column, or if the best is blank.
    """
    if name is not None:
        return TextColumnChoice(find_columns(table, name, field=field), ())
    if len(table.columns) > 1:
        choice = _by_content(table, field) if table.rows else _by_name(table, field)
    else:
        choice = TextColumnChoice((0,), ())
    (place,) = choice.places
    column = table.columns[place]
    if table.rows and all(is_blank(row[place]) for row in table.rows):
        raise InputError(f"{table.name}: column '{column}' is blank in every row; {_listed(table)}", hint=_name_one(field))
    return choice._replace(places=(find_column(table, column, field=field),))  # refuses a name that two columns have


def _by_name(table: Table, field: str) -> TextColumnChoice:
    """The choice in a table without rows."""
    best = max(range(len(table.columns)), key=lambda place: name_weight(table.columns[place]), default=0)
    if not table.columns or name_weight(table.columns[best]) <= name_weight(""):
        raise _no_text(table, field)
    return TextColumnChoice((best,), ())


def _by_content(table: Table, field: str) -> TextColumnChoice:
    found = column_evidence(table)
    order = sorted(range(len(found)), key=lambda place: found[place].rank, reverse=True)
    best = order[0]
    if found[best].rank[0] < _LEAST:
        # Nothing reads like text: a column called question or the like is taken whatever it holds.
        best = max(order, key=lambda place: (not _mostly_blank(found[place]), found[place].name))
        if found[best].name < name_weight(NAMES[-1]):
            raise _no_text(table, field, [place for place in order if _mostly_blank(found[place])])
    if _mostly_blank(found[best]):
        raise _no_text(table, field, [best])
    rank = found[best].rank[0]
    near = [place for place in order[1:] if found[place].rank[0] >= max(_LEAST, _NEAR * rank)]
    return TextColumnChoice((best,), tuple(table.columns[place] for place in near))


def _mostly_blank(evidence: Evidence) -> bool:
    return evidence.filled < _FILLED


def _no_text(table: Table, field: str, blank: list[int] | None = None) -> InputError:
    but = f" but '{table.columns[blank[0]]}', which is blank in most rows" if blank else ""
    return InputError(f"{table.name}: no column reads like text{but}; {_listed(table)}", hint=_name_one(field))


def _name_one(field: str) -> str:
    return f"name one with `{field}`" if "=" in field else f"name one with `{field}=NAME`"


def find_columns(table: Table, names: str, *, field: str = "column") -> tuple[int, ...]:
    """The indices of the columns called `names`: one name, or several with commas between them.

    A name with commas of its own is found if it is the only one; among several it is quoted as in csv, or its number is given.
    `field` is the field of the configuration that names them, for messages. Raises InputError as `find_column` does, and if a
    column is named twice.
    """
    try:
        return (find_column(table, names, field=field),)
    except InputError:
        several = [name for row in csv.reader([names], skipinitialspace=True) for name in row]
        if len(several) < 2 or names in table.columns:
            raise
    found = tuple(find_column(table, name, field=field) for name in several)
    for k, place in enumerate(found):
        if place in found[:k]:
            message = f"`{field}={names}` names column '{table.columns[place]}' twice"
            raise InputError(message, hint="name each column once")
    return found


def listed_names(names: Sequence[str]) -> str:
    """Names of columns as `find_columns` reads them: one as it is, several with commas between them, quoted where needed."""
    if len(names) == 1:
        return names[0]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(names)
    return stream.getvalue()


def find_column(table: Table, name: str, *, field: str = "column") -> int:
    """The index of the column called `name`, exactly or but for case and blanks around it, or of the one with this number.

    `field` is the field of the configuration that names the column, for messages. Raises InputError, with the names of the
    columns, if there is none or more than one.
    """
    folded = [column.strip().casefold() for column in table.columns]
    exact = [place for place, column in enumerate(table.columns) if column == name]
    found = exact or [place for place, column in enumerate(folded) if column == name.strip().casefold()]
    if not found and name.isascii() and name.isdigit() and 1 <= int(name) <= len(table.columns):
        return int(name) - 1
    if len(found) > 1:
        numbers = " or ".join(str(place + 1) for place in found)
        message = f"{table.name}: {count(len(found), 'column')} are called '{name}'"
        raise InputError(message, hint=f"rename one of them, or give its number in place of its name: {numbers}")
    if not found:
        hint = did_you_mean(name, table.columns, _name_one(field))
        raise InputError(f"{table.name}: has no column '{name}'; {_listed(table)}", hint=hint)
    return found[0]


def _listed(table: Table) -> str:
    shown = ", ".join(f"'{column}'" for column in table.columns[:20])
    return f"the columns are {shown}" + (f" and {len(table.columns) - 20} more" if len(table.columns) > 20 else "")


def texts_of(table: Table, place: int) -> ColumnTexts:
    """The texts of the column at index `place`."""
    return joined_texts(table, (place,))


def joined_texts(table: Table, places: Sequence[int]) -> ColumnTexts:
    """One text of several columns: their cells that are not blank, with a comma and a space between them.

    A row counts as null if all these cells are null.
    """
    nulls: list[int] = []
    return ColumnTexts(collected(_texts(table, places, nulls)), nulls)


def _texts(table: Table, places: Sequence[int], nulls: list[int]) -> Iterator[str]:
    """The text of each row; the numbers of those that are null are added to `nulls`."""
    for number, row in enumerate(table.rows):
        cells = ["" if _is_null(row[place]) else cell_text(row[place]) for place in places]
        if not any(cells) and all(_is_null(row[place]) for place in places):
            nulls.append(number)
        yield cells[0] if len(cells) == 1 else ", ".join(filter(str.strip, cells))


def blocks_of(table: Table, places: Sequence[int]) -> list[str | None]:
    """The block of each row: the cells of these columns without blanks around them; None if one of them is blank.

    Blocks are JSON, so they have no control characters and none begins with another one.
    """
    blocks: dict[tuple[str, ...], str] = {}
    cells = (tuple("" if _is_null(row[k]) else cell_text(row[k]).strip() for k in places) for row in table.rows)
    # One string for all rows of a block.
    return [blocks.setdefault(row, json.dumps(row)) if all(row) else None for row in cells]


def row_keys(table: Table, name: str, *, unique: bool = True) -> list[str]:
    """The cells of the column called `name`, without blanks around them, by which rows are found again.

    Raises InputError, with the row, if one is blank, or if they are to be `unique` and are not.
    """
    place = find_column(table, name, field="key")
    keys = [text.strip() for text in texts_of(table, place).texts]
    rows: dict[str, int] = {}
    for row, key in enumerate(keys):
        where = f"{table.name}: row {row + 1}, column '{table.columns[place]}'"
        if not key:
            raise InputError(f"{where}: blank, so the row cannot be found again", hint="fill it, or name another column")
        if unique and rows.setdefault(key, row) != row:
            hint = "remove one of them, or name another column"
            raise InputError(f"{where}: '{key[:40]}' is the key of row {rows[key] + 1} too", hint=hint)
    return keys


def _is_null(cell: Any) -> bool:
    return cell is None or cell != cell  # NaN is the only value that differs from itself
