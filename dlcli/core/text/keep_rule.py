"""`--keep-rule`: the order in which texts become canonical, and which row represents a text.

Texts are numbered in the order of their keys (see `distinct`), so ties between texts are broken by key, never by row.
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

    Cells are compared as numbers if all are numbers, and as text if none is, which orders dates such as 2024-05-31.
    Raises InputError, with the row, if only some cells are numbers, and if all are empty.
    """
    held = {row: cell for row, cell in enumerate(cells) if not _is_empty(cell)}
    numbers = {row: number for row, cell in held.items() if (number := _number(cell)) is not None}
    if not held:
        raise InputError(f"{table}: column '{column}' is empty, so it has no highest row", hint="use another `keep_rule`")
    if numbers and len(numbers) < len(held):
        row = next(row for row in held if row not in numbers)
        raise InputError(
            f"{table}: row {row + 1}, column '{column}': '{str(held[row])[:40]}' is not a number, but other cells are",
            hint="empty the cell, or name another column in `keep_rule=max:COLUMN`",
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
