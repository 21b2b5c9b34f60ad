"""The labels of a table of predictions as its cells hold them: none missing, and each class in one notation."""

import re

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.prediction_roles import Roles
from dlcli.support.errors import InputError
from dlcli.support.tables import Table

_MISSING = ("nan", "<na>", "#n/a")
"""What programs write for a value that is missing, in small letters. None and null may be classes."""
_WITH_POINT = re.compile(r"(-?\d+)\.0*")
"""A whole number in the notation of floats, which gaps in a column make."""

Texts = NDArray[np.object_]


def check_headers(table: Table) -> None:
    """Raise InputError if a row holds the names of all columns, as where tables with headers were joined."""
    names = [name.strip() for name in table.columns]
    for number, row in enumerate(table.rows, start=1):
        if row[0] == table.columns[0] and [str(cell).strip() for cell in row] == names:
            hint = "if several tables were joined, omit the headers of all but the first"
            raise InputError(f"{table.name}: row {number} holds the names of the columns again", hint=hint)


def label_cells(table: Table, roles: Roles, cells: dict[str, Texts]) -> tuple[Texts, Texts | None]:
    """The true labels and the predicted ones, each (n,).

    Whole numbers in the notation of floats lose it where all labels of a column have it, or where both notations occur.

    Args:
        table: The table.
        roles: Which columns hold them.
        cells: The texts of the columns, (n,) each.

    Returns:
        Both; None for the predicted ones if there is no such column.

    Raises:
        InputError: If a label is missing, or a list; names the row.
    """
    if roles.truth is None:
        raise ValueError("there are no true labels")
    found = {name: _labels(table, name, cells[name]) for name in (roles.truth, roles.label) if name is not None}
    both = {text for column in found.values() for text in column}
    if any(text != without_point(text) and without_point(text) in both for text in both):
        for column in found.values():
            column[:] = [without_point(text) for text in column]
    return found[roles.truth], None if roles.label is None else found[roles.label]


def _labels(table: Table, name: str, column: Texts) -> Texts:
    """Labels without blanks around them."""
    found = np.empty(len(column), dtype=object)
    found[:] = [text.strip() for text in column]
    place = table.columns.index(name)
    for row, text in enumerate(found):
        where = f"{table.name}: row {row + 1}, column '{name}'"
        if not text:
            raise InputError(f"{where}: the label is empty")
        if text.casefold() in _MISSING:
            raise InputError(f"{where}: '{text}' is a missing label", hint="omit such rows; a class needs another name")
        if isinstance(table.rows[row][place], list | dict):
            raise InputError(f"{where}: holds several labels", hint="write one row for each example")
    if all(map(_WITH_POINT.fullmatch, found)):
        found[:] = [without_point(text) for text in found]
    return found


def without_point(text: str) -> str:
    """A whole number without point and zeros behind it; other texts as they are."""
    return found[1] if (found := _WITH_POINT.fullmatch(text)) else text
