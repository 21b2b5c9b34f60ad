"""Which of several columns that are called like true labels holds them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import known_columns, plain_name
from dlcli.core.evaluation.one_probability import follow_from, less_probable, many_orders
from dlcli.core.evaluation.prediction_labels import without_point
from dlcli.core.evaluation.prediction_roles import ALSO_SURE, ALSO_TRUTH, CERTAIN, TRUTH, Roles
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

_MANY = 100
"""Rows from which on labels hardly differ in each, however many classes there are."""
_CLEAR = 3.0
"""By how many standard deviations predictions are better than chance."""
_RIGHT = {"true": True, "1": True, "false": False, "0": False}
_MANY_MEANINGS = ("y", *(name for name in (*TRUTH, *ALSO_TRUTH) if "target" in name))
"""Names of true labels that are also those of the targets of an attack, or of coordinates."""
_FLAGS = ("true", "truth", "actual")
"""Names of true labels that may also mean whether a row is right."""

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
    found = {name: plain_cells(cells[name]) for name in names}
    predicted, right = None if roles.label is None else plain_cells(cells[roles.label]), correct_cells(cells)
    names = tuple(name for name in names if plain_name(name) in CERTAIN) or names
    names = _without_flags(table, names, found, predicted)
    if right is not None and (as_said := [name for name in names if ((found[name] == predicted) == right).all()]):
        names = tuple(as_said)
    others = {name: [one for one in names if not (found[one] == found[name]).all()] for name in names}
    taken = next((name for name in names if _no_labels(found, others[name], found[name], predicted)), None)
    if taken is None:
        raise several(table, "truth", names[0], others[names[0]][0], found)
    left = tuple(one for one in (roles.truth, *rivals) if one not in (taken, *others[taken]))
    return replace(roles, truth=taken, rivals={**roles.rivals, "truth": left}), _notes(taken, others[taken])


def _without_flags(table: Table, names: Sequence[str], found: Mapping[str, Texts], predicted: Texts | None) -> tuple[str, ...]:
    """The columns of labels without one called `true` that says which rows are right, as `correct` does.

    Raises:
        InputError: If it may hold labels as well.
    """
    for name in names:
        said = [_RIGHT.get(text.lower()) for text in found[name]]
        if plain_name(name) not in _FLAGS or predicted is None or None in said:
            continue
        as_said = [one for one in found if one != name and ((found[one] == predicted) == np.array(said, dtype=bool)).all()]
        others = [one for one in as_said if not (found[one] == found[name]).all()]
        certain = tuple(one for one in others if plain_name(one) in CERTAIN and plain_name(one) not in _FLAGS)
        if others and not certain and {*map(str.lower, predicted)} <= _RIGHT.keys():
            raise several(table, "truth", name, others[0], found)
        if others:
            return certain or tuple(others)
    return tuple(names)


def check_label(table: Table, roles: Roles, predictions: Predictions, named: Collection[str]) -> None:
    """Refuse a column `label` as the predicted labels where it may be the true ones, or those of a rater.

    Args:
        table: The table.
        roles: The columns that were taken.
        predictions: What was read.
        named: The roles of the columns that the user names.

    Raises:
        InputError: If the label is not always the most probable class, or that from a threshold on of two classes; if without
            probabilities of all classes the true labels may be those of another column; or if there are true labels alone, and
            the probabilities agree with each.
    """
    if "label" in named or ("truth" in named and roles.only_label):
        return
    if roles.only_label:
        _check_only_label(table, roles, predictions)
    elif roles.called_label:
        _check_called_label(table, roles, predictions, truth_named="truth" in named)


def _check_only_label(table: Table, roles: Roles, predictions: Predictions) -> None:
    """Refuse labels that are those of the most probable class in each row, or from a threshold on: they may be predicted."""
    p = None if predictions.log_p is None else np.exp(predictions.log_p)
    if p is None or len(predictions.y) < 2:
        return
    cut = p.shape[1] == 2 and many_orders(predictions.y) and follow_from(predictions.y, p[:, 1])
    if cut or predictions.correct.all():
        message = (
            f"{table.name}: '{roles.truth}' follows from the probabilities in every row, so that it may be the predicted label"
        )
        raise InputError(message, hint=f"add a column of true labels, or name it by `columns`, as truth={roles.truth}")


def _check_called_label(table: Table, roles: Roles, predictions: Predictions, *, truth_named: bool) -> None:
    """Refuse a column `label` beside true labels, if it may hold others than the predicted ones."""
    hint = f"name them by `columns`, as truth={roles.label} or as label={roles.label}"
    certain = truth_named or plain_name(roles.truth) in CERTAIN
    unclear = not certain and plain_name(roles.truth) in _MANY_MEANINGS
    if unclear and (predictions.log_p is None or not more_than_by_chance(predictions.y, predictions.predicted)):
        message = f"{table.name}: the true labels may be those of '{roles.truth}' or of '{roles.label}'"
        raise InputError(message, hint=f"name both by `columns`, as truth={roles.truth},label={roles.label}")
    if predictions.log_p is None:
        unused = roles.sure or next(iter(known_columns(roles.sures, ALSO_SURE)), None)
        if unused is not None and predictions.confidence is None:
            message = f"{table.name}: '{roles.label}' does not follow from '{unused}': it may not hold the predicted labels"
            raise InputError(message, hint=f"{hint}, or rename it")
        return
    p, predicted = np.exp(predictions.log_p), predictions.predicted
    less = less_probable(p, predicted)
    if not less.any() or (p.shape[1] == 2 and (len({*predicted.tolist()}) < 2 or follow_from(predicted, p[:, 1]))):
        return
    rows = f"in {int(less.sum()):,} of {count(len(less), 'row')}"
    message = f"{table.name}: {rows} '{roles.label}' is not the most probable class: it may not hold the predicted labels"
    raise InputError(message, hint=f"{hint}, or rename it")


def more_than_by_chance(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether two columns of labels agree more often than by chance.

    Args:
        one: Numbers of classes, (n,).
        other: The same of the other column, (n,).
    """
    n, classes = len(one), int(max(one.max(), other.max())) + 1
    chance = float(np.bincount(one, minlength=classes) @ np.bincount(other, minlength=classes)) / n**2
    return float((one == other).mean()) > chance + _CLEAR * sqrt(chance * (1 - chance) / n)


def _no_labels(found: Mapping[str, Texts], names: Sequence[str], truth: Texts, predicted: Texts | None) -> bool:
    """Whether no column of `names` may hold labels if `truth` does.

    Such a column has words of its own, none of which is predicted, or another one in each of many rows, while labels occur
    twice or more on average.
    """
    known = {*truth}
    if names and (len(known) < 2 or 2 * len(known) > len(truth)):
        return False
    other = ({*found[name]} for name in names)
    return all(
        (predicted is not None and one.isdisjoint(known.union(predicted))) or len(one) == len(truth) >= _MANY for one in other
    )


def several(table: Table, role: str, first: str, second: str, found: Mapping[str, Texts]) -> InputError:
    """That the true or the predicted labels may be those of two columns, with the first row in which they differ.

    Args:
        table: The table.
        role: As the user names the column, truth or label.
        first: One column.
        second: The other.
        found: The cells of both, (n,) each.
    """
    row = int(np.flatnonzero(found[first] != found[second])[0])
    differ = f"which differ in row {row + 1} first, '{found[first][row]}' and '{found[second][row]}'"
    what = "true" if role == "truth" else "predicted"
    message = f"{table.name}: the {what} labels may be those of '{first}' or of '{second}', {differ}"
    return InputError(message, hint=f"name it by `columns`, as {role}={first} or {role}={second}")


def _notes(taken: str, others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    names = " or ".join(f"'{name}'" for name in others)
    said = f"The true labels are those of '{taken}', not of {names}, which holds no labels"
    return (f"{said}; `columns` names another, as truth=NAME.",)


def plain_cells(column: Texts) -> Texts:
    """Cells as labels are compared: without blanks around them, and whole numbers without a point.

    Args:
        column: The cells, (n,).
    """
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
