"""The set of each example by a column that is called split, set or the like."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlcli.core.data.column_names import SET_COLUMNS, known_columns
from dlcli.core.data.set_names import KNOWN, read_set_name
from dlcli.support.errors import InputError


def sets_of_columns(source: str, columns: Mapping[str, Sequence[Any]]) -> list[str] | None:
    """The set of each row by the first column that is called as such and names some; None without one.

    Raises InputError, naming `source`, if only some of its cells name sets.
    """
    for column in known_columns(list(columns), SET_COLUMNS):
        sets = _read_sets(f"{source}: column '{column}'", ["" if cell is None else str(cell) for cell in columns[column]])
        if sets is not None:
            return sets
    return None


def _read_sets(where: str, cells: Sequence[str]) -> list[str] | None:
    """The sets that cells name; None if none of them does, so that the column is about something else.

    Raises InputError, naming `where` and the first such cell, if only some of them name sets.
    """
    known = {cell: read_set_name(cell) for cell in set(cells)}
    named = {cell: found.name for cell, found in known.items() if found is not None and not found.rest}
    if not named:
        return None
    for row, cell in enumerate(cells, 1):
        if cell not in named:
            raise InputError(f"{where}: row {row}: '{cell}' is not the name of a set", hint=f"call the sets {KNOWN}")
    return [named[cell] for cell in cells]
