"""Which of several columns that are called like true labels holds them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import plain_name
from dlcli.core.evaluation.one_probability import less_probable
from dlcli.core.evaluation.prediction_labels import without_point
from dlcli.core.evaluation.prediction_roles import CERTAIN, LABEL, Roles
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.errors import InputError
from dlcli.support.tables import Table

_MANY = 100
"""Rows from which on labels hardly differ in each, however many classes there are."""
_SOME, _CLEAR = 20, 3.0
"""Rows from which on chance is seen, and by how many standard deviations predictions are better."""
_RIGHT = {"true": True, "1": True, "false": False, "0": False}

Texts = NDArray[np.object_]


def correct_cells(cells: Mapping[str, Texts]) -> NDArray[np.bool_] | None:
    """Whether the column `correct` calls each row right, (n,); None without such a column.

    Args:
        cells: All columns, (n,) each.
    """
    column = cells.get("correct")
    if column is None or not all(text.lower() in _RIGHT for text in column):
        return None
    return np.array([_RIGHT[text.lower()] for text in column], dtype=bool)


def settle_truth(table: Table, roles: Roles, cells: Mapping[str, Texts]) -> tuple[Roles, tuple[str, ...]]:
    """The column of true labels, where several are called so and none of the names is certain.

    The targets of an attack are called like that, and so are coordinates and numbers of references.

    Args:
        table: The table.
        roles: The columns by their names.
        cells: All columns, (n,) each.

    Returns:
        The columns with that of true labels, and a note if what they hold decided it.

    Raises:
        InputError: If several columns may be meant, with other labels.
    """
    rivals = roles.rivals.get("truth", ())
    if not rivals:
        return roles, ()
    names = (roles.truth, *rivals)
    if sure := [name for name in names if plain_name(name) in CERTAIN]:
        names = tuple(sure)
    found = {name: _plain(cells[name]) for name in names}
    predicted, right = None if roles.label is None else _plain(cells[roles.label]), correct_cells(cells)
    if right is not None and (as_said := [name for name in names if ((found[name] == predicted) == right).all()]):
        names = tuple(as_said)
    others = {name: [one for one in names if not (found[one] == found[name]).all()] for name in names}
    taken = next((name for name in names if _no_labels(found, others[name], found[name], predicted)), None)
    if taken is None:
        raise _several(table, names[0], others[names[0]][0], found)
    left = tuple(one for one in (roles.truth, *rivals) if one not in (taken, *others[taken]))
    return replace(roles, truth=taken, rivals={**roles.rivals, "truth": left}), _notes(taken, others[taken])


def check_label(table: Table, roles: Roles, predictions: Predictions, named: Collection[str]) -> None:
    """Refuse a column `label` as the predicted labels, if it may be the true ones beside a coordinate `y` and the like.

    Args:
        table: The table.
        roles: The columns that were taken.
        predictions: What was read, with probabilities of all classes.
        named: The roles of the columns that the user names.

    Raises:
        InputError: If the taken truth is predicted by chance, and the label not always the most probable class.
    """
    certain = roles.label is None or plain_name(roles.label) not in LABEL or plain_name(roles.truth) in CERTAIN
    n = len(predictions.y)
    if certain or "truth" in named or "label" in named or n < _SOME or predictions.log_p is None:
        return
    if less_probable(np.exp(predictions.log_p), predictions.predicted).any() and _by_chance(predictions):
        message = f"{table.name}: '{roles.truth}' is predicted by chance: the true labels may be those of '{roles.label}'"
        raise InputError(message, hint=f"name them by `columns`, as truth={roles.label} or truth={roles.truth}")


def _by_chance(predictions: Predictions) -> bool:
    """Whether predicted labels and true ones agree as often as by chance, or less often."""
    n, classes = len(predictions.y), len(predictions.outputs)
    chance = float(np.bincount(predictions.y, minlength=classes) @ np.bincount(predictions.predicted, minlength=classes)) / n**2
    return float(predictions.correct.mean()) <= chance + _CLEAR * sqrt(chance * (1 - chance) / n)


def _no_labels(found: Mapping[str, Texts], names: Sequence[str], truth: Texts, predicted: Texts | None) -> bool:
    """Whether no column of `names` may hold labels if `truth` does.

    Such a column has words of its own, or another one in each of many rows, while labels occur twice or more on average.
    """
    known = {*truth}
    if names and (len(known) < 2 or 2 * len(known) > len(truth)):
        return False
    other = ({*found[name]} for name in names)
    return all(
        one.isdisjoint(known.union(() if predicted is None else predicted)) or len(one) == len(truth) >= _MANY for one in other
    )


def _several(table: Table, first: str, second: str, found: Mapping[str, Texts]) -> InputError:
    row = int(np.flatnonzero(found[first] != found[second])[0])
    differ = f"which differ in row {row + 1} first, '{found[first][row]}' and '{found[second][row]}'"
    message = f"{table.name}: the true labels may be those of '{first}' or of '{second}', {differ}"
    return InputError(message, hint=f"name it by `columns`, as truth={first} or truth={second}")


def _notes(taken: str, others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    names = " or ".join(f"'{name}'" for name in others)
    said = f"The true labels are those of '{taken}', not of {names}, which holds no labels"
    return (f"{said}; `columns` names another, as truth=NAME.",)


def _plain(column: Texts) -> Texts:
    """Cells as labels are compared: without blanks around them, and whole numbers without a point."""
    found = np.empty(len(column), dtype=object)
    found[:] = [without_point(text.strip()) for text in column]
    return found


def none_right(roles: Roles, predictions: Predictions) -> tuple[str, ...]:
    """A note if all of three rows or more are wrong, as where a column is none of labels.

    Args:
        roles: The columns.
        predictions: What was read of them.
    """
    if predictions.correct.any() or len(predictions.y) < 3:
        return ()
    where = f"'{roles.truth}'" if roles.label is None else f"'{roles.truth}' and '{roles.label}'"
    return (f"No row is right: are the labels those of {where}? `columns` names others, as truth=NAME,label=NAME.",)
