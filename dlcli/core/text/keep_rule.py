"""Which text of a group is kept: the order in which texts become canonical, and the row that stands for a text.

Texts are numbered in the order of their keys (see `distinct`), so a tie between texts goes by the key and never by the row.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.search.neighbours import Pairs
from dlcli.support.errors import InputError

Numbers = NDArray[np.int64]


def degrees(n: int, pairs: Pairs) -> Numbers:
    """In how many of the pairs each of n texts is, (n,)."""
    return np.bincount(np.concatenate([pairs.first, pairs.second]), minlength=n)


def canonical_order(rule: str, distinct: Distinct, pairs: Pairs) -> Numbers:
    """The numbers of all texts, those that become canonical first in front, (texts,).

    By `rule`: first, the order of the rows; longest, the most characters of the key; central, the most duplicates in `pairs`,
    which are those at or above the threshold; max, the highest value of a row with that text.
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
    """The places of the cells of a column in ascending order, equal cells alike, (rows,); 0 of cells that are empty.

    Cells are compared as numbers if all of them are numbers, as text if none is: dates written 2024-05-31 are then in order.
    Raises InputError, with the row, if only some are numbers, or if no cell holds anything.
    """
    held = {row: cell for row, cell in enumerate(cells) if not _is_empty(cell)}
    numbers = {row: number for row, cell in held.items() if (number := _number(cell)) is not None}
    if not held:
        raise InputError(f"{table}: column '{column}' is empty, so no row of it is the highest", hint="another --keep-rule")
    if numbers and len(numbers) < len(held):
        row = next(row for row in held if row not in numbers)
        raise InputError(
            f"{table}: row {row + 1}, column '{column}': '{str(held[row])[:40]}' is no number, as other cells are",
            hint="empty the cell, or name another column in --keep-rule max:COLUMN",
        )
    values: Any = list(numbers.values()) if numbers else [str(cell) for cell in held.values()]
    found = np.zeros(len(cells), np.int64)
    found[list(held)] = np.unique(np.array(values, float if numbers else object), return_inverse=True)[1] + 1
    return found


def _is_empty(cell: Any) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def _number(cell: Any) -> float | None:
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
