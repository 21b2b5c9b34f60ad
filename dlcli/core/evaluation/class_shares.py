"""Columns that hold shares which sum to 1 in each row, as probabilities of classes do."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.class_column_names import all_styles, by_style
from dlcli.core.evaluation.metrics import Floats
from dlcli.core.evaluation.positive_class import known_pair
from dlcli.support.decimal_comma import has_decimal_comma

_ROUNDED, _MOST_ROUNDED = 0.01, 0.05
"""How far the sum of probabilities may be from 1 in any case, and at most, where they have few digits."""
_BESIDE = 3
"""Columns of shares beside those of classes that may be none."""

Texts = NDArray[np.object_]


def summing_columns(cells: Mapping[str, Texts]) -> list[list[str]]:
    """The columns of one style that hold shares which sum to 1 in each row, as `p_red` and `p_blue`: probabilities of classes.

    Args:
        cells: The columns, (n,) each.
    """
    known = [name for name in cells if known_pair([name])]
    pairs = [[a, b] for a, b in combinations(known, 2) if known_pair([a, b]) and a.lower() != b.lower()]
    return [columns for columns in (*map(list, all_styles(cells)), *pairs) if sum_to_1(cells, columns)]


def highest_of_unnamed(cells: Mapping[str, Texts]) -> Floats | None:
    """The highest probability of each row, (n,), in the columns of one style that sum to 1, whatever they are called.

    Args:
        cells: The columns, (n,) each.

    Returns:
        The same; None if there are no such columns, or several sets of them.
    """
    sets = summing_columns(cells)
    if len(sets) != 1:
        return None
    found: Floats = np.stack([as_numbers(cells[column]) for column in sets[0]]).max(0)
    return found


def completing(cells: Mapping[str, Texts], column: str) -> list[str]:
    """A column and those of its style that sum to 1 with it, all or a single one; empty if there are none.

    Args:
        cells: All columns that may hold some, (n,) each.
        column: The name of one of them.
    """
    for style in map(list, by_style(cells)):
        pairs = [[one, column] for one in style if one != column] if column in style else []
        if found := next((columns for columns in [style, *pairs] if pairs and sum_to_1(cells, columns)), None):
            return [one for one in cells if one in found]
    return []


def that_sum_to_1(
    cells: Mapping[str, Texts], names: dict[str, str], seen: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Columns called like classes without another one of their style, as `p_value`, if those sum to 1 and all do not.

    Args:
        cells: All columns that may hold probabilities, (n,) each.
        names: Those of one style, with the class of each.
        seen: The labels that occur.

    Returns:
        The columns, all of them if no part sums to 1, and a note if some are not used.
    """
    if _are_complete(cells, names):
        return names, ()
    values = {column: as_numbers(cells[column]) for column in names}
    odd = {column for column in names if not all_shares(cells[column])}
    total = sum((one for column, one in values.items() if column not in odd), np.zeros(()))
    others = [column for column, name in names.items() if name not in seen]

    def away(left: Sequence[str]) -> float:
        less = sum((values[column] for column in left if column not in odd), np.zeros(()))
        return float(np.abs(total - less - 1).max()) if odd <= {*left} else np.inf

    left = min((others, *([column] for column in others)), key=away)
    part = {column: name for column, name in names.items() if column not in left}
    if not 1 < len(part) < len(names) or away(left) > _MOST_ROUNDED or not _are_complete(cells, part):
        return names, ()
    return part, (f"Not used: {a_few(left)}, since the columns {a_few([*part])} alone sum to 1.",)


def with_neighbours(order: Sequence[str], cells: Mapping[str, Texts], names: dict[str, str]) -> dict[str, str]:
    """The columns called like classes, with shares beside them if all of these sum to 1 and those alone do not.

    A few at the ends may be shares of something else.

    Args:
        order: All columns of the table.
        cells: Those that may hold probabilities, (n,) each.
        names: Those called like classes, with the class of each.
    """
    if _are_complete(cells, names):
        return names
    places = [k for k, name in enumerate(order) if name in names]
    low, high = min(places), max(places)
    shares = [name in cells and all_shares(cells[name]) for name in order]
    while low > 0 and shares[low - 1]:
        low -= 1
    while high + 1 < len(order) and shares[high + 1]:
        high += 1
    inside = {name: name for name, share in zip(order[low : high + 1], shares[low : high + 1], strict=True) if share}
    for fewer in range(min(_BESIDE, len(inside)) + 1):
        for before in range(fewer + 1):
            part = dict([*inside.items()][before : len(inside) - fewer + before])
            if names.keys() <= part.keys() and _are_complete(cells, part):
                return part
    return inside


def are_shares(texts: Texts) -> bool:
    """Whether all cells are from 0 to 1, and some are neither.

    Args:
        texts: The cells, (n,).
    """
    return all_shares(texts) and not {*map(str.strip, texts)} <= {"0", "1", "0.0", "1.0"}


def rounding(columns: Sequence[Texts]) -> float:
    """How far sums of probabilities may be from 1 by their rounding: half of a last digit each, within the limits.

    Args:
        columns: Their cells, (n,) each.
    """
    digits = max(len(text.strip().partition(".")[2]) for column in columns for text in column)
    return max(_ROUNDED, min(_MOST_ROUNDED, 0.5 * len(columns) * 10.0**-digits))


def as_numbers(texts: Iterable[str]) -> Floats:
    """Cells as numbers, NaN where they are none.

    Args:
        texts: The cells.

    Returns:
        The numbers, (n,).
    """
    return np.array([_number(text) for text in texts], dtype=np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def a_few(names: Sequence[str], most: int = 3) -> str:
    """The first of some names.

    Args:
        names: All of them.
        most: How many are listed.
    """
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def _are_complete(cells: Mapping[str, Texts], columns: Iterable[str]) -> bool:
    """Whether columns hold probabilities that sum to 1 in each row but for rounding."""
    found = [cells[column] for column in columns]
    values = np.stack([as_numbers(column) for column in found])
    inside = (values >= 0) & (values <= 1)
    return bool(inside.all() and (np.abs(values.sum(0) - 1) <= rounding(found) + 1e-9).all())


def sum_to_1(cells: Mapping[str, Texts], columns: Sequence[str]) -> bool:
    """Whether several columns hold shares that sum to 1 in each row, or nearly so, whatever their digits.

    Args:
        cells: All columns, (n,) each.
        columns: The names of those.
    """
    if len(columns) < 2 or not all(all_shares(cells[column]) for column in columns):
        return False
    sums = sum(as_numbers(cells[column]) for column in columns)
    return bool((np.abs(sums - 1) <= _MOST_ROUNDED).all())


def all_shares(texts: Texts) -> bool:
    """Whether all cells are from 0 to 1; with a decimal comma they count, so that a message can name the first one.

    Args:
        texts: The cells, (n,).
    """
    found = as_numbers([text.replace(",", ".") if has_decimal_comma(text) else text for text in texts])
    return bool(((found >= 0) & (found <= 1)).all())
