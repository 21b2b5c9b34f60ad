"""Which column holds the one probability of each row, where several are called like it or hold something else."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import plain_name
from dlcli.core.evaluation.class_probabilities import CLOSE, ClassColumns, numbers
from dlcli.core.evaluation.metrics import Floats
from dlcli.core.evaluation.one_probability import UNCLEAR, follow_from, less_probable, many_orders
from dlcli.core.evaluation.prediction_roles import ALSO_SURE, CONFIDENCE, Roles
from dlcli.support.decimal_comma import has_decimal_comma
from dlcli.support.errors import InputError
from dlcli.support.tables import Table

_NAMED = "`columns` names the columns"

Texts = NDArray[np.object_]


def settle_probability(
    table: Table, roles: Roles, cells: Mapping[str, Texts], label: Texts | None, highest: Floats | None = None
) -> tuple[Roles, tuple[str, ...]]:
    """The column of one probability of each row, by the names and the content of those that may be it.

    Of two classes it is one from a threshold on which the predicted labels are of one of them. Else it is the first that is
    called so, if no other one that is called so says otherwise. Without predicted labels nothing tells two columns apart.

    Args:
        table: The table.
        roles: The columns by their names.
        cells: All columns, (n,) each.
        label: The predicted labels, (n,); None without such a column.
        highest: The highest probability of each row in columns whose classes are not known, (n,), if there are such.

    Returns:
        The columns with that of a probability, None if none may be it, and notes on those that are not used.

    Raises:
        InputError: If several columns may be meant, with other values, or if there are no predicted labels and the only
            column holds something else.
    """
    if not roles.sures:
        return roles, ()
    found, errors = _inside(table, roles, cells)
    if label is None:
        if not found:
            raise errors[0]
        return replace(roles, sure=_without_labels(table, found)), ()
    if highest is not None and len({*label}) > 2:
        other = [name for name, p in found.items() if (np.abs(p - highest) > CLOSE).any()]
        errors += [InputError(f"'{name}' is not the highest of the probabilities of classes", hint=_NAMED) for name in other]
        found = {name: p for name, p in found.items() if name not in other}
    notes = tuple(f"Not used: {error.message.removeprefix(f'{table.name}: ')} ({error.hint})." for error in errors)
    return replace(roles, sure=_with_labels(table, found, label)), notes


def beside_others(
    table: Table, roles: Roles, cells: Mapping[str, Texts], found: ClassColumns, label: Texts | None
) -> ClassColumns | None:
    """One column called like one of two classes, unless predicted labels speak for a column called like a probability.

    Args:
        table: The table.
        roles: The columns by their names, some of a probability.
        cells: All columns, (n,) each.
        found: The column that is called like a class.
        label: The predicted labels, (n,); None without such a column.

    Returns:
        The same, or None.

    Raises:
        InputError: If nothing tells which one is meant.
    """
    others, _ = _inside(table, roles, cells)
    if label is None:
        _check_agreement(table, {found.columns[0]: found.p[:, 1], **others}, of_label=False)
        return found
    predicted = np.array([found.classes.index(text) for text in label], dtype=np.int64)
    if follow_from(predicted, found.p[:, 1]):
        return found
    gave = any(follow_from(predicted, p) or follow_from(predicted, 1 - p) for p in others.values())
    return None if gave or 2 * less_probable(found.p, predicted).sum() > len(label) else found


def _inside(table: Table, roles: Roles, cells: Mapping[str, Texts]) -> tuple[dict[str, Floats], list[InputError]]:
    """The columns of numbers from 0 to 1, (n,) each, and why others are none."""
    found, errors = {}, []
    for name in roles.sures:
        try:
            found[name] = numbers(table.name, name, cells[name])
        except InputError as error:
            if any(map(has_decimal_comma, cells[name])):
                raise
            errors.append(error)
    return found, errors


def _without_labels(table: Table, found: Mapping[str, Floats]) -> str:
    named = [name for name in found if plain_name(name) not in CONFIDENCE]
    first = next(iter(named or found))
    if not named and (found[first] >= 0.5).all():
        message = f"{table.name}: '{first}' is at least one half in every row, as the probability of a predicted label is"
        hint = (
            f"add a column of predicted labels, or name it by `columns`, as probability={first}, if it is of the second class"
        )
        raise InputError(message, hint=hint)
    _check_agreement(table, {first: found[first], **found}, of_label=False)
    return first


def _with_labels(table: Table, found: Mapping[str, Floats], label: Texts) -> str | None:
    classes, predicted = np.unique(label.astype(str), return_inverse=True)
    if len(classes) == 2 and many_orders(predicted):
        gave = [name for name, p in found.items() if follow_from(predicted, p) or follow_from(predicted, 1 - p)]
        if gave:
            return gave[0]
    found = {name: p for name, p in found.items() if plain_name(name) not in ALSO_SURE}
    clear = {name: p for name, p in found.items() if plain_name(name) not in UNCLEAR}
    if clear:
        _check_agreement(table, clear, of_label=True)
    return next(iter(clear or found), None)


def _check_agreement(table: Table, found: Mapping[str, Floats], *, of_label: bool) -> None:
    """Raise InputError, naming the row, if a column says otherwise than the first one, whichever class each is of."""
    (first, p), *others = found.items()
    for name, other in others:
        readings = [p, 1 - p] if of_label else [p]
        readings += [np.maximum(p, 1 - p)] if (other >= 0.5).all() else []
        away = np.stack([np.abs(other - one) for one in readings])
        if (away.max(1) > CLOSE).all():
            row = int(away.min(0).argmax())
            differ = f"which differ most in row {row + 1}, {p[row]:g} and {other[row]:g}"
            message = f"{table.name}: the probability may be that of '{first}' or of '{name}', {differ}"
            raise InputError(message, hint=f"name it by `columns`, as probability={first} or probability={name}")
