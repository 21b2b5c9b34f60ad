"""Tables with a row per step: a column of sequences, one of time, columns of values, and maybe one of labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dlcli.core.data.column_names import SET_COLUMNS, known_columns
from dlcli.core.data.sequences.base import SequenceOptions, Sequences
from dlcli.core.data.sequences.numbers import number
from dlcli.core.data.sequences.rows import Rows, are_text, is_number
from dlcli.support.errors import InputError

_ID = ("id", "sequence", "sequenceid", "series", "seriesid", "case", "caseid", "unit", "recording")
_TIME = ("time", "t", "step", "timestep", "timestamp", "timepoint", "datetime", "date")
_SAMPLE = 20
"""Rows that tell whether a column holds text."""


def is_long(rows: Rows) -> bool:
    """Whether a table has a row per step."""
    return rows.headed and bool(known_columns(rows.columns, _ID)) and bool(known_columns(rows.columns, _TIME))


def read_long(rows: Rows, label: str | None, options: SequenceOptions) -> Sequences:
    """The sequences of a table in the order of their first rows, each by time.

    Args:
        rows: The table.
        label: The column of labels; None without one.
        options: `group` names a column that is about a sequence, not a value.

    Returns:
        The sequences, with the columns that hold no values as metadata.

    Raises:
        InputError: If a value is not a number, a time stands twice, or a sequence has two labels; naming the row.
    """
    name, time = known_columns(rows.columns, _ID)[0], known_columns(rows.columns, _TIME)[0]
    values = long_channels(rows, label, options)
    about = [column for column in rows.columns if column in {label, options.group, *_not_values(rows)} - {name, time, *values}]
    members: dict[str, list[int]] = {}
    for row, cell in enumerate(rows.column(name)):
        if not cell:
            raise InputError(f"{rows.name}: row {row + 1}, column '{name}': is empty", hint="name the sequence of each step")
        members.setdefault(cell, []).append(row)
    ordered = {cell: _by_time(rows, time, found) for cell, found in members.items()}
    numbers = np.array([_numbers(rows, column) for column in values], dtype=np.float64)
    constant = {column: [_same(rows, column, found) for found in ordered.values()] for column in about}
    labels = constant.pop(label) if label is not None else None
    names = list(ordered)
    metadata = {column: np.array(cells, dtype=object) for column, cells in {**constant, name: names}.items()}
    file = Path(rows.name).name
    return Sequences([numbers[:, found] for found in ordered.values()], labels, metadata, lambda k: f"'{names[k]}' in {file}")


def long_channels(rows: Rows, label: str | None, options: SequenceOptions) -> tuple[str, ...]:
    """The columns of values of a table with a row per step: those that `options` names, or all, in the order of the table.

    Args:
        rows: The table.
        label: The column of labels; None without one.
        options: As for `read_long`.

    Raises:
        InputError: If there are none, two have one name, or one that `options` names is not there.
    """
    known = {
        label,
        options.group,
        known_columns(rows.columns, _ID)[0],
        known_columns(rows.columns, _TIME)[0],
        *_not_values(rows),
    }
    found = [column for column in rows.columns if column not in known]
    if not found and not options.channels:
        raise InputError(f"{rows.name}: no column but those of sequences and time holds numbers", hint="add columns of values")
    twice = next((column for column in options.channels or found if rows.columns.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{rows.name}: two columns are called '{twice}'", hint="rename one of them, or remove it")
    missing = [column for column in options.channels if column not in rows.columns]
    if missing:
        has = f"its columns of values are {', '.join(found) or 'none'}, and those of the training {', '.join(options.channels)}"
        raise InputError(
            f"{rows.name}: has no column '{missing[0]}'; {has}", hint="rename its columns, or choose another `data`"
        )
    return options.channels or tuple(found)


def _not_values(rows: Rows) -> list[str]:
    """Columns about a whole sequence: those of sets, and those of text."""
    text = [column for column in rows.columns if are_text(rows.column(column)[:_SAMPLE])]
    return [*known_columns(rows.columns, SET_COLUMNS), *text]


def _by_time(rows: Rows, time: str, members: Sequence[int]) -> list[int]:
    cells = rows.column(time)
    numeric = all(is_number(cells[row]) and cells[row] for row in members)
    keys = {row: (float(cells[row]), "") if numeric else (0.0, cells[row]) for row in members}
    found = sorted(members, key=lambda row: keys[row])
    for before, row in zip(found, found[1:], strict=False):
        if keys[before] == keys[row]:
            message = f"{rows.name}: row {row + 1}, column '{time}': '{cells[row]}' is the time of row {before + 1} too"
            raise InputError(message, hint="keep one row per step of a sequence")
    return found


def _numbers(rows: Rows, column: str) -> list[float]:
    return [number(f"{rows.name}: row {row}, column '{column}'", cell) for row, cell in enumerate(rows.column(column), 1)]


def _same(rows: Rows, column: str, members: Sequence[int]) -> str:
    cells = rows.column(column)
    other = next((row for row in members if cells[row] != cells[members[0]]), None)
    if other is not None:
        both = f"'{cells[other]}', and row {members[0] + 1} of the same sequence has '{cells[members[0]]}'"
        message = f"{rows.name}: row {other + 1}, column '{column}': {both}"
        raise InputError(message, hint="give all rows of a sequence the same value there")
    return cells[members[0]]
