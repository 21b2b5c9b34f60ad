"""Tables of sequences, .csv or .tsv: a sequence per row, as in the UCR archive, or a row per step with columns id and time."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlcli.core.data.base import Array, Steps
from dlcli.core.data.column_names import LABEL_COLUMNS, SET_COLUMNS, known_columns, named_column
from dlcli.core.data.sequences.base import Floats, Found, SequenceOptions, Sequences
from dlcli.core.data.sequences.files_of_sets import files_of_sets, holds
from dlcli.core.data.sequences.long_table import is_long, long_channels, read_long
from dlcli.core.data.sequences.numbers import cut_padding, number
from dlcli.core.data.sequences.rows import LABEL, Rows, are_text, is_number, read_rows
from dlcli.core.data.set_columns import sets_of_columns
from dlcli.core.data.set_names import resolve_val
from dlcli.support.errors import InputError
from dlcli.support.plural import count

DESCRIPTION = "FILE.csv or FILE.tsv with a sequence per row, or a row per step with columns id and time"
PRECEDENCE = 3

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_IDS = ("id", "index", "name", "key")
_NUMBERED = re.compile(r"(?P<word>.*?)(?P<number>[0-9]{1,15})")
_SAMPLE = 20
"""Rows that tell whether a column holds text."""
_VALUES = 0.9
"""The share of different cells above which a column of fractions holds no labels."""


def claims(spec: str) -> bool:
    """Whether `spec` is such a table, or a folder with some."""
    return holds(Path(spec), _SUFFIXES)


def read(spec: str, options: SequenceOptions) -> Found:
    """Read the files of the sets; a column of sets divides a file that is not one of several."""
    files = files_of_sets(spec, _SUFFIXES, options)
    tables = {key: _of_values(read_rows(file), options) for key, file in files.items()}
    channels = _channels(tables.get("train") or next(iter(tables.values())), options)
    chosen = replace(options, channels=channels)
    found = {key: _sequences(rows, chosen) for key, rows in tables.items()}
    if len(tables) == 1:
        key, rows = next(iter(tables.items()))
        found = _by_set(rows, found[key], key)
    return Found(found, Steps(channels=channels))


def _of_values(rows: Rows, options: SequenceOptions) -> Rows:
    """A table without a header whose first column holds values too, where no labels are wanted; else as it is.

    Raises InputError if what would be labels are values, nearly every one another fraction.
    """
    if rows.headed:
        return rows
    first = rows.column(LABEL)
    if not all(cell and is_number(cell) for cell in first):
        return rows
    if options.labels is False:
        options.report.note(
            f"{rows.name}: has no header, so its first column is read as values; name the columns if it is labels"
        )
        return replace(rows, columns=list(map(str, range(1, len(rows.columns) + 1))))
    others = set(first)
    if len(others) > _VALUES * len(first) and not all(float(cell).is_integer() for cell in first if cell != "?"):
        what = f"the first column is that of labels, and holds {count(len(others), 'different number')} such as {first[0]}"
        raise InputError(f"{rows.name}: has no header, so {what}", hint="put labels there, or name the columns in a first line")
    return rows


def _channels(rows: Rows, options: SequenceOptions) -> tuple[str, ...]:
    """The names of the channels of all sets; none where a row is a sequence."""
    return long_channels(rows, _label_column(rows, options), options) if is_long(rows) else ()


def _by_set(rows: Rows, sequences: Sequences, key: str) -> dict[str, Sequences]:
    columns = {name: column.tolist() for name, column in sequences.metadata.items()}
    sets = None if key else sets_of_columns(rows.name, columns)
    if sets is None:
        return {key: sequences}
    names = np.array([resolve_val(name, set(sets)) for name in sets])
    return {name: sequences.take(np.flatnonzero(names == name)) for name in dict.fromkeys(names.tolist())}


def _sequences(rows: Rows, options: SequenceOptions) -> Sequences:
    if not rows.cells:
        raise InputError(f"{rows.name}: has no rows")
    label = _label_column(rows, options)
    if is_long(rows):
        return read_long(rows, label, options)
    return _wide(rows, label, options)


def _label_column(rows: Rows, options: SequenceOptions) -> str | None:
    if not rows.headed:
        return LABEL if LABEL in rows.columns else None
    if options.label_column is not None:
        return named_column(rows.name, rows.columns, options.label_column)
    found = known_columns(rows.columns, LABEL_COLUMNS)
    if not found and options.labels and not options.unlabelled:
        has = ", ".join(rows.columns[:4]) + (" ..." if len(rows.columns) > 4 else "")
        hint = "name the column that holds the labels, as `label_column=NAME`"
        raise InputError(f"{rows.name}: has columns {has}, none of which is called label or class", hint=hint)
    return found[0] if found else None


def _wide(rows: Rows, label: str | None, options: SequenceOptions) -> Sequences:
    """A sequence per row: its values are all columns but those of labels, sets, groups, names, and those of text."""
    about = _about(rows, label, options)
    places = [k for k, name in enumerate(rows.columns) if name not in about]
    places = _by_number(rows, places, options)
    if not places:
        raise InputError(f"{rows.name}: no column holds numbers", hint="a table of sequences has one sequence per row")
    values = [_values(rows, k, places, options) for k in range(len(rows.cells))]
    _check_lengths(rows, values, options)
    labels = None if label is None else rows.column(label)
    metadata = {name: _column(rows.column(name)) for name in about if name != label}
    return Sequences(values, labels, metadata, lambda k: f"row {k + 1} of {Path(rows.name).name}")


def _by_number(rows: Rows, places: list[int], options: SequenceOptions) -> list[int]:
    """The columns of steps in the order of the numbers that end their names, where all have one behind the same word.

    Programs that sort names write t10 before t2.
    """
    found = [_NUMBERED.fullmatch(rows.columns[k]) for k in places]
    numbers = [int(one["number"]) for one in found if one is not None]
    if len({one["word"] for one in found if one is not None}) != 1 or len(set(numbers)) != len(places):
        return places
    ordered = [places[k] for k in np.argsort(numbers).tolist()]
    first, last = (rows.columns[ordered[k]] for k in (0, -1))
    if ordered != places:
        options.report.note(f"{rows.name}: steps are in the order of their numbers, {first} to {last}, not of the columns")
    gaps = np.diff(np.sort(numbers))
    if len(set(gaps.tolist())) > 1:
        k = int(gaps.argmax())
        which = f"{rows.columns[ordered[k]]} and {rows.columns[ordered[k + 1]]}"
        options.report.warn(f"{rows.name}: columns are missing between {which}; steps are taken as equally far apart")
    return ordered


def _about(rows: Rows, label: str | None, options: SequenceOptions) -> list[str]:
    """The columns that hold no values."""
    if not rows.headed:
        return [] if label is None else [label]
    known = {*known_columns(rows.columns, (*SET_COLUMNS, *_IDS)), label, options.group}
    text = {name for name in rows.columns if are_text(rows.column(name)[:_SAMPLE])}
    return [name for name in rows.columns if name in known | text]


def _values(rows: Rows, row: int, places: Sequence[int], options: SequenceOptions) -> Floats:
    cells = dict(enumerate(rows.cells[row]))
    end = max((step for step, k in enumerate(places, 1) if cells.get(k)), default=0)
    found = [number(f"{rows.name}: row {row + 1}, column '{rows.columns[k]}'", cells.get(k, "")) for k in places[:end]]
    return cut_padding(np.array([found], dtype=np.float64))


def _check_lengths(rows: Rows, values: Sequence[Floats], options: SequenceOptions) -> None:
    """Refuse rows with fewer cells than others, for a value may be lost; the NaN at the end of UCR's files is no such case."""
    if options.pad:
        return
    longest = max(one.shape[1] for one in values)
    width = max(len([cell for cell in row if cell]) for row in rows.cells)
    for k, one in enumerate(values):
        if one.shape[1] < longest and len([cell for cell in rows.cells[k] if cell]) < width:
            message = f"{rows.name}: row {k + 1} has {one.shape[1]} values, and others have {longest}"
            raise InputError(message, hint="pass `pad` if the sequences differ in length")


def _column(cells: Sequence[str]) -> Array:
    return np.array(cells, dtype=object)
