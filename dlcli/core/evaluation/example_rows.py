"""Whether each row of a table of predictions is an example, and no two rows are the same one."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from math import log

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import plain_name
from dlcli.core.evaluation.class_shares import are_shares, as_numbers
from dlcli.core.evaluation.prediction_labels import MISSING
from dlcli.core.evaluation.prediction_roles import Roles
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

_COUNTS = frozenset(
    "count counts n 0 freq frequency frequencies support size total cases nsamples numsamples nexamples numexamples nrows "
    "anzahl häufigkeit effectif frecuencia proportion share".split()
)
_RANKS = ("rank", "rang", "top")
_TOTALS = ("total", "totals", "grandtotal", "sum", "mean", "average", "avg")
_TYPES = frozenset(
    "str string text varchar char character chr object category categorical factor fct nominal bool boolean lgl int int8 int16 "
    "int32 int64 integer float float32 float64 double dbl number numeric real".split()
)
"""What programs call the types of columns."""
_VARIANTS = frozenset(
    "model modelname modelid network architecture system classifier algorithm method arm variant version checkpoint ckpt epoch "
    "step iteration iter run runid seed trial replicate experiment repeat estimator classifiername llm prompt threshold "
    "mtry cp penalty lr learningrate lambda alpha".split()
)
"""Columns that tell the rows of several networks apart, or those of one network at several times."""
_KEY = re.compile(r".*(id|index|key|hash|name|no|number|example|sample|item|row|url|path)")
_ROUNDED = 0.01
"""How far shares may be from 1 in all."""
_FEWEST = 10
"""Rows of each network from which on the same true labels are hardly there by chance."""
_RARE = 1e6
"""One table in this many has such rows by chance."""
_REPEATED = 20
"""At most this many rows have one key, or it is that of a class or of a place rather than of an example."""

Texts = NDArray[np.object_]


def check_headers(table: Table) -> None:
    """Raise InputError if a row holds the names of all columns, as where tables with headers were joined."""
    names = [name.strip() for name in table.columns]
    for number, row in enumerate(table.rows, start=1):
        if row[0] == table.columns[0] and [str(cell).strip() for cell in row] == names:
            hint = "if several tables were joined, omit the headers of all but the first"
            raise InputError(f"{table.name}: row {number} holds the names of the columns again", hint=hint)


def check_rows(
    table: Table, roles: Roles, truth: Texts, label: Texts | None, cells: Mapping[str, Texts], named: Collection[str]
) -> None:
    """Refuse rows that stand for several examples or for none, and rows of several networks.

    Args:
        table: The table.
        roles: The columns that were taken.
        truth: The true labels, (n,).
        label: The predicted ones, (n,); None without such a column.
        cells: All columns, (n,) each.
        named: The roles of the columns that the user names.

    Raises:
        InputError: If each pair of labels is there once beside a column of counts, if a row is called a total or goes on with
            the header, or if a column such as `model` or `epoch` tells rows of the same true labels apart.
    """
    others = {name: column for name, column in cells.items() if name not in (roles.truth, roles.label)}
    _check_counts(table, others, truth, label)
    _check_long(table, others, truth, label)
    _check_totals(table, others, truth)
    _check_second_header(table, others, truth, label)
    if not {"truth", "label"} <= {*named}:
        _check_variants(table, others, truth)


def repeated_notes(truth: Texts, metadata: Mapping[str, Texts]) -> tuple[str, ...]:
    """A note where several rows have one key, as where an example is there twice.

    Args:
        truth: The true labels, (n,).
        metadata: The columns that are left, (n,) each.
    """
    classes = len({*truth})
    for name, column in metadata.items():
        plain, keys = plain_name(name), Counter(column)
        if not _KEY.fullmatch(plain) or len(keys) <= 2 * classes or max(keys.values()) > _REPEATED or are_shares(column):
            continue
        labels = len({*zip(column, truth, strict=True)})
        several = len(column) - len(keys)
        if several and labels == len(keys):
            same = f"{count(several, 'row has', 'rows have')} the '{name}' and the true label of an earlier one"
            return (
                f"{same}: if these are one example it counts several times, else `group={name}` makes intervals wide enough.",
            )
    return ()


def _check_counts(table: Table, others: Mapping[str, Texts], truth: Texts, label: Texts | None) -> None:
    """Raise InputError if each pair of labels is there once, or once in each part, beside a column of counts or shares."""
    if label is None or len(truth) < 2:
        return
    for counts, column in others.items():
        if plain_name(counts) not in _COUNTS or not _are_counts(column):
            continue
        parts = [one for name, one in others.items() if name != counts and 2 * len({*one}) <= len(truth)]
        if len({*zip(truth, label, *parts, strict=True)}) == len(truth):
            message = f"{table.name}: each pair of labels is there once, and the column '{counts}' tells how often"
            raise InputError(message, hint="write one row for each example")


def _check_long(table: Table, others: Mapping[str, Texts], truth: Texts, label: Texts | None) -> None:
    """Raise InputError if several rows in turn are one example, with another class in each, or another rank."""
    ranks = next((one for name, one in others.items() if plain_name(name) in _RANKS), None)
    for column in (label, ranks):
        size = 0 if column is None else len({*column})
        if column is None or size < 2 or len(column) % size or 2 * len(column) / size * log(size) < log(_RARE):
            continue
        of_example, values = truth.reshape(-1, size), column.reshape(-1, size)
        if all(len({*row}) == 1 for row in of_example) and all(len({*row}) == size for row in values):
            message = f"{table.name}: each {size} rows have one true label and {size} predicted ones, as those of one example"
            raise InputError(message, hint="keep the row with the most probable class of each example")


def _check_totals(table: Table, others: Mapping[str, Texts], truth: Texts) -> None:
    """Raise InputError if the first or the last row is called a total, and its label is nowhere else."""
    once = Counter(truth)
    for name, column in others.items():
        for row in (0, len(column) - 1):
            if plain_name(str(column[row])) in _TOTALS and once[truth[row]] == 1 and len(column) > 1:
                raise InputError(
                    f"{table.name}: row {row + 1}, column '{name}': '{column[row]}' is not an example", hint="omit the row"
                )


def _check_second_header(table: Table, others: Mapping[str, Texts], truth: Texts, label: Texts | None) -> None:
    """Raise InputError if the first row goes on with the header: types of columns, or texts above numbers."""
    if len(truth) < 3 or truth[0] in truth[1:]:
        return
    first = [truth[0]] if label is None else [truth[0], label[0]]
    cell = next((text for text in first if text.casefold() in _TYPES), None)
    cell = cell or next((column[0].strip() for column in others.values() if _above_numbers(column)), None)
    if cell is not None:
        message = f"{table.name}: row 1 is not an example: '{cell}' in it is part of a second header"
        raise InputError(message, hint="omit the row")


def _check_variants(table: Table, others: Mapping[str, Texts], truth: Texts) -> None:
    """Raise InputError if a column tells several networks apart, whose rows have the same true labels in the same order."""
    for name, column in others.items():
        if plain_name(name) not in _VARIANTS or len(keys := {*column}) < 2 or len(column) < _FEWEST * len(keys):
            continue
        labels = [truth[column == key].tolist() for key in sorted(keys)]
        if len({*labels[0]}) > 1 and all(one == labels[0] for one in labels):
            said = f"the rows of all {len(keys):,} values of '{name}' have the same true labels, in the same order"
            hint = "keep those of one value; or name both columns of labels by `columns`, if they are other examples"
            raise InputError(f"{table.name}: {said}: the same examples are there several times", hint=hint)


def _are_counts(column: Texts) -> bool:
    """Whether cells are whole numbers, not all of them 0 or 1, or shares of the whole."""
    values = as_numbers(column)
    if not (values >= 0).all():
        return False
    whole = bool((values == np.round(values)).all() and (values > 1).any())
    return whole or bool(abs(values.sum() - 1) < _ROUNDED)


def _above_numbers(column: Texts) -> bool:
    """Whether the first cell is a text, and all others are numbers."""
    first, numbers = column[0].strip(), ~np.isnan(as_numbers(column))
    blank = first.casefold() in ("", *MISSING, "na", "n/a", "none", "null", "-", "?")
    return not blank and not numbers[0] and bool(numbers[1:].all())
