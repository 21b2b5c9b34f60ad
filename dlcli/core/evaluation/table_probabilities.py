"""The probabilities of a table of predictions: of all classes, or one of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.class_evidence import are_ranks
from dlcli.core.evaluation.class_probabilities import (
    ClassColumns,
    class_columns,
    further_notes,
    second_column,
    unused_columns,
    whole_numbers,
)
from dlcli.core.evaluation.class_shares import a_few, highest_of_unnamed
from dlcli.core.evaluation.example_names import first_repeated
from dlcli.core.evaluation.prediction_labels import without_point
from dlcli.core.evaluation.prediction_roles import Roles, unnamed_probability
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.evaluation.probability_column import beside_others, settle_probability
from dlcli.support.errors import InputError
from dlcli.support.tables import Table

Texts = NDArray[np.object_]


def named_classes(
    table: Table,
    roles: Roles,
    search: dict[str, Texts],
    label: Texts | None,
    seen: Sequence[str],
    given: Mapping[str, str],
) -> tuple[ClassColumns | None, dict[str, Texts], tuple[str, ...]]:
    """The columns called like classes, if they hold their probabilities.

    Beside predicted labels they may be whole numbers, as ratings, or probabilities by rank.

    Args:
        table: The table.
        roles: The columns.
        search: Those that may hold probabilities of classes, (n,) each.
        label: The predicted labels, (n,); None without such a column.
        seen: The labels that occur.
        given: The columns that the user names, by role.

    Returns:
        The columns, None without such; those that may still hold probabilities of classes; a note if some hold others.
    """
    certain = label is not None and not roles.called_label and "classes" not in given
    if certain and (names := whole_numbers(search, seen)):
        return None, search, (f"Not used: the columns {a_few(names)} hold whole numbers, not probabilities.",)
    found = class_columns(table.name, table.columns, search, seen, prefix=given.get("classes"))
    if certain and found is not None and label is not None and are_ranks(found, label):
        note = f"Not used: the columns {a_few(found.columns)} fall in each row, as by rank and not by class."
        return None, {name: column for name, column in search.items() if name not in found.columns}, (note,)
    return found, search, ()


def settle_probabilities(
    table: Table,
    roles: Roles,
    cells: Mapping[str, Texts],
    search: Mapping[str, Texts],
    label: Texts | None,
    seen: Sequence[str],
    found: ClassColumns | None,
) -> tuple[ClassColumns | None, Roles, tuple[str, ...]]:
    """The columns of probabilities of classes, or else that of the one probability of each row, and notes on others.

    Args:
        table: The table.
        roles: The columns.
        cells: All columns, (n,) each.
        search: Those that may hold probabilities of classes.
        label: The predicted labels, (n,); None without such a column.
        seen: The labels that occur.
        found: The columns that are called like the classes.

    Returns:
        Those of all classes, None without such; all roles, with the column of one probability; and the notes.

    Raises:
        InputError: If columns of probabilities can be those of several things, or of classes that are not known.
    """
    if found is None and roles.sure is None:
        found = second_column(table.name, search, seen)
        if found is not None and roles.sures:
            found = beside_others(table, roles, cells, found, label)
    if found is not None:
        _check_classes(table, found.classes)
        roles = replace(roles, sure=next(iter((*filter(None, [roles.sure]), *roles.sures)), None))
        return found, roles, tuple(further_notes(search, found))
    roles, unfit = settle_probability(table, roles, cells, label, highest_of_unnamed(search))
    unused = unused_columns(search, seen)
    if unused and ((label is None and roles.sure is None) or roles.called_label):
        hint = f"rename them, as p_{seen[0]}, or add a column of predicted labels"
        if roles.called_label:
            hint += f"; if '{roles.label}' holds these, name it by `columns`, as label={roles.label}"
            raise InputError(f"{table.name}: '{roles.label}' may not hold the predicted labels, and {unused}", hint=hint)
        raise InputError(f"{table.name}: has no column of predicted labels, and {unused}", hint=hint)
    return None, roles, (*([f"Not used: {unused}."] if unused else unnamed_probability(roles, roles.sures)), *unfit)


def without_hard(predictions: Predictions) -> tuple[Predictions, tuple[str, ...]]:
    """Predictions without probabilities that are all 0 or 1, as predicted labels are; those with losses are rounded.

    Args:
        predictions: What was read.

    Returns:
        The predictions, and a note if they have no probabilities any more.
    """
    log_p = predictions.log_p
    if log_p is None or predictions.loss is not None or len(log_p) < 2 or not np.isin(log_p, (0.0, -np.inf)).all():
        return predictions, ()
    note = "The probabilities are 0 and 1 alone, as predicted labels are, and are used as such."
    return replace(predictions, log_p=None, confidence=None), (note,)


def _check_classes(table: Table, classes: Sequence[str]) -> None:
    """Raise InputError if two classes are one number: labels with and without a point count as the same class."""
    if (pair := first_repeated([without_point(name) for name in classes])) is not None:
        names = " and ".join(f"'{classes[k]}'" for k in pair)
        raise InputError(
            f"{table.name}: has probabilities of the classes {names}, which are one number", hint="rename one of them"
        )
