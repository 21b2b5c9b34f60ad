"""Objects inside the cells of a table, as columns of their own, and an object that holds the rows of a table."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dlcli.support.row_store import made_rows
from dlcli.support.tables import Table

_MOST_KEYS = 100
"""Objects with more keys than this are maps, not records."""


def flatten(table: Table) -> Table:
    """A table in which a column `doc` of objects with the keys title and body is two columns, `doc.title` and `doc.body`.

    Columns that also hold other values than objects and null stay as they are, and so do all cells.
    """
    place = next((place for place in range(len(table.columns)) if _keys(table, place)), None)
    while place is not None:
        keys = _keys(table, place)
        names = [f"{table.columns[place]}.{key}" for key in keys]
        rows = made_rows(partial(_spread, place, keys), table.rows)
        columns = [*table.columns[:place], *names, *table.columns[place + 1 :]]
        table = replace(table, columns=columns, rows=rows, origin_columns=table.origin_columns + len(keys) - 1)
        place = next((place for place in range(place, len(table.columns)) if _keys(table, place)), None)
    return table


def lone_object_warning(table: Table) -> str:
    """A sentence about a table of one object if that seems to hold the rows, in an array or by columns; else ""."""
    if len(table.rows) != 1:
        return ""
    row, one = table.rows[0], f"{table.name}: is one object, so a table of one row"
    arrays = [name for name, cell in zip(table.columns, row, strict=True) if _is_table(cell)]
    if arrays:
        return f"{one}; if its rows are in '{arrays[0]}', unpack them: jq -c '.\"{arrays[0]}\"[]'"
    pandas = "write one object per row, as pandas does with to_json(orient='records')"
    if {"columns", "data"} <= {*table.columns}:
        return f"{one}; if it holds columns and rows, {pandas}"
    sizes = {len(cell) if isinstance(cell, (list, dict)) else 0 for cell in row}
    if len(sizes) == 1 and min(sizes) > 1:
        return f"{one}; if it holds columns, {pandas}"
    return ""


def _is_table(cell: Any) -> bool:
    return isinstance(cell, list) and len(cell) > 1 and all(isinstance(one, dict) for one in cell)


def _spread(place: int, keys: list[str], start: int, rows: Sequence[list[Any]]) -> list[list[Any]]:
    return [[*row[:place], *((row[place] or {}).get(key) for key in keys), *row[place + 1 :]] for row in rows]


def _keys(table: Table, place: int) -> list[str]:
    """The keys of the objects in a column, none if it holds anything else."""
    keys: dict[str, None] = {}
    for row in table.rows:
        if isinstance(row[place], dict):
            keys.update(dict.fromkeys(row[place]))
        elif row[place] is not None:
            return []
    taken = any(f"{table.columns[place]}.{key}" in table.columns for key in keys)
    return [] if taken or len(keys) > _MOST_KEYS else list(keys)
