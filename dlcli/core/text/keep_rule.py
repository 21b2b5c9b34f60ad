"""`--keep-rule`: the order in which texts become canonical, and which row represents a text.

Texts are numbered in the order of their keys (see `distinct`), so ties between texts are broken by key, never by row.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.search.neighbours import Pairs
from dlcli.support.errors import InputError

Numbers = NDArray[np.int64]


def degrees(n: int, pairs: Pairs) -> Numbers:
    """The number of pairs that each of n texts is in, (n,)."""
    return np.bincount(np.concatenate([pairs.first, pairs.second]), minlength=n)


def canonical_order(rule: str, distinct: Distinct, pairs: Pairs) -> Numbers:
    """The numbers of all texts, (texts,), in the order in which they become canonical.

    The rules: "first", in row order; "longest", the longest key first; "central", the text with the most `pairs` first, which
    are those at or above the threshold; "max", the text of the row of highest priority first (see `row_priorities`).
    """
    if rule == "first":
        return np.argsort(distinct.row, kind="stable")
    if rule == "longest":
        priority = np.array([len(key) for key in distinct.keys], np.int64)
    elif rule == "central":
        priority = degrees(len(distinct.keys), pairs)
    else:
        priority = distinct.priority
    return np.argsort(-priority, kind="stable")


def row_priorities(cells: Sequence[Any], *, table: str, column: str) -> Numbers:
    """Rank the cells of a column in ascending order from 1, equal cells alike, (rows,); empty cells get 0.

    Cells are compared as numbers if the first that is not empty is a number, else as dates, year first, with or without a time.
    Raises InputError, with the row, if one is neither or of the other kind, if only some dates have a time zone, and if all
    cells are empty.
    """
    held = {row: cell for row, cell in enumerate(cells) if not _is_empty(cell)}
    if not held:
        raise InputError(f"{table}: column '{column}' is empty, so it has no highest row", hint="use another `keep_rule`")
    first = next(iter(held.values()))
    parse, kind = (_number, "a number") if _number(first) is not None else (_date, "a date")
    values: dict[int, Any] = {row: parse(cell) for row, cell in held.items()}
    wrong = next((row for row, value in values.items() if value is None), None)
    if wrong is not None:
        what = "neither a number nor a date" if values[min(held)] is None else f"not {kind}, but other cells are"
        hint = "name a column of numbers, or of dates such as 2024-05-31, in `keep_rule=max:COLUMN`; empty cells count least"
        raise InputError(f"{table}: row {wrong + 1}, column '{column}': '{str(held[wrong])[:40]}' is {what}", hint=hint)
    found = np.zeros(len(cells), np.int64)
    try:
        order = {value: rank for rank, value in enumerate(sorted(set(values.values())), start=1)}
    except TypeError:
        message = f"{table}: column '{column}': only some of its dates have a time zone, so they have no order"
        raise InputError(message, hint="use another `keep_rule`, or write all dates alike") from None
    found[list(values)] = [order[value] for value in values.values()]
    return found


_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?![\d/.-])(.*)", re.DOTALL)


def _date(cell: Any) -> datetime | None:
    """A date that begins with its year, of which the day may be missing, and its time if it has one."""
    found = _YEAR_FIRST.fullmatch(str(cell).strip())
    if found is None:
        return None
    year, month, day, time = found.groups()
    with suppress(ValueError):
        return datetime.fromisoformat(f"{year}-{int(month):02d}-{int(day or 1):02d}{time}")
    return None


def _is_empty(cell: Any) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def _number(cell: Any) -> Decimal | None:
    """A finite number, exactly: as floats, ids of more than 15 digits would be equal."""
    if not isinstance(cell, (str, int, float, Decimal)):
        return None
    try:
        number = Decimal(cell)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
