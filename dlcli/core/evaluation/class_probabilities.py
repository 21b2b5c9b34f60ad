"""Which columns of a table hold the probabilities of classes, by names and content, and whether they are probabilities."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.class_column_names import all_styles, as_labels, best_style, by_style, without_joint
from dlcli.core.evaluation.class_shares import (
    a_few,
    all_shares,
    as_numbers,
    completing,
    rounding,
    sum_to_1,
    summing_columns,
    that_sum_to_1,
    with_neighbours,
)
from dlcli.core.evaluation.metrics import Floats
from dlcli.core.evaluation.positive_class import known_pair
from dlcli.support.decimal_comma import has_decimal_comma, with_point
from dlcli.support.errors import InputError
from dlcli.support.plural import count

CLOSE = 0.01
"""How far other columns may be from the probabilities of classes that they belong to."""
_LIST = re.compile(r"\[[-+0-9.eE]+(, *[-+0-9.eE]+)+\]")
_WHOLE = re.compile(r"-?\d+(\.0*)?")
_EXACT = 1e-9
"""Sums of decimals that are 1 differ from it by less."""
_NOTED = 1e-4
"""From here on it is said."""

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class ClassColumns:
    """Columns of probabilities.

    Attributes:
        columns: Their names.
        classes: The class of each.
        p: The probabilities, (n, classes), of which each row sums to 1.
        notes: What was done to them.
    """

    columns: tuple[str, ...]
    classes: tuple[str, ...]
    p: Floats
    notes: tuple[str, ...] = ()


def class_columns(
    source: str, order: Sequence[str], cells: Mapping[str, Texts], seen: Sequence[str], *, prefix: str | None = None
) -> ClassColumns | None:
    """Find the columns of probabilities of classes.

    They are those called like the labels, with the same words before or behind (`p_cat`, `cat_prob`), or none. Of columns with
    no words their content decides: probabilities beside them, of a class that no row has, belong to them if rows sum to 1 then.

    Args:
        source: Name of the table.
        order: All its columns.
        cells: Those that may hold probabilities, (n,) each.
        seen: The labels that occur.
        prefix: What stands before the names of classes, if the user says so.

    Returns:
        The columns; None if there are none.

    Raises:
        InputError: If they hold no probabilities; names the row.
    """
    names = _named(source, {name: cells[name] for name in order if name in cells}, seen, prefix)
    if not names:
        return None
    if all(name == column for column, name in names.items()):
        if not all(all_shares(cells[column]) for column in names):
            return None
        names = with_neighbours(order, cells, names)
    names, further = that_sum_to_1(cells, names, seen)
    p = np.stack([numbers(source, column, cells[column]) for column in names], axis=1)
    sums = p.sum(1)
    away = np.abs(sums - 1)
    if (wrong := np.flatnonzero(away > rounding([cells[column] for column in names]) + 1e-9)).size:
        row = int(wrong[0])
        hint = "are these logits, or is a column missing? write probabilities; `columns` names the columns, as classes=PREFIX"
        raise InputError(
            f"{source}: row {row + 1}: the probabilities ({a_few([*names])}) sum to {sums[row]:.4g}, not 1", hint=hint
        )
    notes = further
    if away.max() > _NOTED:
        notes = (
            *further,
            f"Probabilities are divided by their sum, which is {sums.min():.4f} to {sums.max():.4f}.",
        )
    # Divided by a sum that is 1 but for rounding, equal probabilities of two rows would differ, and areas with them.
    p = p / np.where(away > _EXACT, sums, 1.0)[:, None]
    return ClassColumns(tuple(names), tuple(names.values()), p, notes)


def whole_numbers(cells: Mapping[str, Texts], seen: Sequence[str]) -> list[str]:
    """The columns called like classes, if they hold whole numbers other than percentages, as ratings.

    Args:
        cells: The columns that may hold probabilities, (n,) each.
        seen: The labels that occur.
    """
    names = best_style(by_style(cells), seen)
    found = [cells[column] for column in names]
    if not found or not all(_WHOLE.fullmatch(text.strip()) for column in found for text in column):
        return []
    values = np.stack([as_numbers(column) for column in found])
    return [] if values.max() <= 1 or (values.sum(0) == 100).all() else [*names]


def second_column(source: str, cells: Mapping[str, Texts], seen: Sequence[str]) -> ClassColumns | None:
    """The one column of probabilities of one of two classes, as `p_yes`, and what is left for the other.

    Args:
        source: Name of the table.
        cells: The columns that may hold probabilities, (n,) each.
        seen: The labels that occur, in the order of the classes.

    Returns:
        Both classes, that of the column last if none is known to be positive; None if there are not two, or no such column.

    Raises:
        InputError: If another column, which is not called like a label, holds what is left.
    """
    styles = (as_labels(style, seen) or style for style in by_style(cells))
    named = {column: name for style in styles for column, name in style.items() if name in seen}
    if len(seen) != 2 or len(named) != 1:
        return None
    ((column, name),) = named.items()
    if others := completing(cells, column):
        message = (
            f"the columns {a_few(others)} sum to 1 in each row, but only {column} is called like a label, {' or '.join(seen)}"
        )
        hint = f"rename the columns as the labels that they are of, or name one by `columns`, as probability={column}"
        raise InputError(f"{source}: {message}", hint=hint)
    p = numbers(source, column, cells[column])
    # The class that has a column is the positive one, unless the names tell which is.
    classes = tuple(seen) if known_pair(seen) else (*(one for one in seen if one != name), name)
    both = np.stack([p if one == name else 1 - p for one in classes], axis=1)
    return ClassColumns((column,), classes, both, (f"The column '{column}' is the probability of '{name}'.",))


def further_notes(cells: Mapping[str, Texts], found: ClassColumns) -> list[str]:
    """That further columns of probabilities are not used.

    Args:
        cells: All columns that may hold some, (n,) each.
        found: Those that are used.
    """
    others = [columns for columns in summing_columns(cells) if set(columns).isdisjoint(found.columns)]
    return [
        f"Not used: the columns {a_few(one)}, which sum to 1 too; `columns` names them, as classes=PREFIX." for one in others
    ]


def unlike_notes(name: str, column: Texts, p: Floats, predicted: NDArray[np.int64]) -> list[str]:
    """That a column of one probability is not used, where it says otherwise than the columns of classes.

    Args:
        name: Its name.
        column: Its cells, (n,).
        p: The probabilities of all classes, (n, classes).
        predicted: The number of the predicted class, (n,).
    """
    found, close = as_numbers(column), CLOSE + rounding([column])
    rows = np.flatnonzero(~(np.abs(found - p[np.arange(len(p)), predicted]) < close))
    of_one_class = (np.abs(found[:, None] - p) < close).all(0).any()
    if not len(rows) or of_one_class:
        return []
    what = f"it is not the probability that the columns of classes give the predicted label, in row {rows[0] + 1} first"
    return [f"The column '{name}' is not used: in {count(len(rows), 'row')} {what}."]


def numbers(source: str, column: str, texts: Texts, *, most: float | None = 1.0) -> Floats:
    """The numbers in a column.

    Args:
        source: Name of the table.
        column: Name of the column.
        texts: Its cells, (n,).
        most: The largest that they may be; None if there is no such bound. The smallest is 0.

    Raises:
        InputError: If a cell holds no such number; names the row.
    """
    found = as_numbers(texts)
    inside = found >= -1e-9 if most is None else (found >= -1e-9) & (found <= most + 1e-6)
    if (wrong := np.flatnonzero(~inside)).size:
        row = int(wrong[0])
        what = "a number that is not negative" if most is None else "a probability, from 0 to 1"
        hint = f"{_likely(found, texts[row].strip())}; `columns` names the columns"
        if has_decimal_comma(texts[row]):
            what, hint = "a number: its decimal mark is a comma", with_point(texts[row])
        raise InputError(f"{source}: row {row + 1}, column '{column}': '{texts[row]}' is not {what}", hint=hint)
    clipped: Floats = np.clip(found, 0.0, most)
    return clipped


def _likely(found: Floats, text: str) -> str:
    """What cells that are no probabilities may be, of which `text` is the first, and what to do."""
    known = found[~np.isnan(found)]
    if text.endswith("%") or (np.isfinite(as_numbers([text])[0]) and known.min() >= 0 and 1 < known.max() <= 100):
        return "are these percentages? write probabilities"
    if np.isfinite(as_numbers([text])[0]):
        return "are these logits? write probabilities"
    return "is it missing? omit such rows, or the column"


def _named(source: str, cells: Mapping[str, Texts], seen: Sequence[str], prefix: str | None) -> dict[str, str]:
    """The columns that are called like classes, with the class of each.

    Of columns that are called so in other case, or with more words, those count that sum to 1.
    """
    columns = list(cells)
    if prefix is not None:
        named = {column: column.removeprefix(prefix) for column in columns if column.startswith(prefix)}
        if not named:
            raise InputError(f"{source}: no column begins with '{prefix}' (`columns`: classes)")
        return named
    exact = best_style([{name: name for name in columns if name in seen}, *by_style(columns)], seen)
    if exact:
        return exact
    styles = [as_labels(style, seen) for style in [_like_labels(columns, seen), *all_styles(columns)]]
    known = best_style([style for style in styles if sum_to_1(cells, [*style])], seen)
    return known or best_style([style for style in without_joint(columns, seen) if sum_to_1(cells, [*style])], seen)


def _like_labels(columns: Sequence[str], seen: Sequence[str]) -> dict[str, str]:
    """The columns that are called like labels without words."""
    return {name: name for name in columns if {*as_labels({name: name}, seen).values()} & {*seen}}


def unused_columns(cells: Mapping[str, Texts], seen: Sequence[str]) -> str:
    """That columns look like probabilities, but are called like no class, or are lists; empty if there are no such columns.

    Args:
        cells: The columns in which none were found, (n,) each.
        seen: The labels that occur.
    """
    for columns in summing_columns(cells):
        return f"the columns {a_few(columns)} look like probabilities, but are not called like the labels {a_few(seen)}"
    lists = next((column for column, texts in cells.items() if all(map(_LIST.fullmatch, texts))), None)
    return "" if lists is None else f"the column {lists} holds lists of numbers, not one column for each class"
