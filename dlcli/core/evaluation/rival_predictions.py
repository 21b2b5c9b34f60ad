"""Which of several columns that are called like predicted labels holds them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import known_columns, plain_name
from dlcli.core.evaluation.class_probabilities import ClassColumns, class_columns
from dlcli.core.evaluation.class_shares import are_shares, as_numbers
from dlcli.core.evaluation.one_probability import follow_from, less_probable
from dlcli.core.evaluation.prediction_roles import CERTAIN, LABEL, Roles, rival_columns
from dlcli.core.evaluation.rival_truths import correct_cells, plain_cells, several
from dlcli.support.errors import InputError
from dlcli.support.tables import Table

Texts = NDArray[np.object_]


def settle_label(table: Table, roles: Roles, cells: Mapping[str, Texts]) -> tuple[Roles, tuple[str, ...]]:
    """The column of predicted labels, where several are called so: that of the most probable classes, or of the right rows.

    Args:
        table: The table.
        roles: The columns, those of true labels settled.
        cells: All columns, (n,) each.

    Returns:
        The columns with that of predicted labels, and a note if what it holds decided it.

    Raises:
        InputError: If several columns may be meant, with other labels.
    """
    roles = _without_stranger(table, roles, cells)
    if roles.label is None:
        return roles, ()
    roles, taken, unused = _without_shares(table, roles, roles.label, cells)
    found = {name: plain_cells(cells[name]) for name in (taken, *roles.rivals.get("label", ()))}
    truth = plain_cells(cells[roles.truth])
    rivals = rival_columns(found, taken, truth)
    if not rivals:
        _check_called_label(table, roles, cells, truth)
        return roles, unused
    names = (taken, *rivals)
    right = correct_cells(cells)
    fitting = [name for name in names if right is not None and ((found[name] == truth) == right).all()]
    if not fitting:
        columns = _columns(table, {name: column for name, column in cells.items() if name not in found}, found, truth)
        fitting = [name for name in names if columns is not None and _follows(found[name], columns)]
    if not fitting or any((found[one] != found[fitting[0]]).any() for one in fitting):
        raise several(table, "label", taken, rivals[0], found)
    others = tuple(name for name in names if name not in fitting)
    said = " or ".join(f"'{name}'" for name in others)
    note = f"The predicted labels are those of '{fitting[0]}', which the probabilities or the right rows confirm, not of {said}"
    notes = (*unused, f"{note}; `columns` names another.")
    return replace(roles, label=fitting[0], rivals={**roles.rivals, "label": ()}), notes


def _without_stranger(table: Table, roles: Roles, cells: Mapping[str, Texts]) -> Roles:
    """Roles without a column `class` that holds no true label, if there are other predicted ones, or probabilities."""
    truth = plain_cells(cells[roles.truth])
    if roles.label is None or not roles.called_label or not {*truth}.isdisjoint(plain_cells(cells[roles.label])):
        return roles
    left = [name for name in roles.rivals["label"] if not {*truth}.isdisjoint(plain_cells(cells[name]))]
    if not left and _columns(table, {name: one for name, one in cells.items() if name != roles.truth}, {}, truth) is None:
        return roles
    return replace(roles, label=left[0] if left else None, rivals={**roles.rivals, "label": tuple(left[1:])})


def _without_shares(table: Table, roles: Roles, label: str, cells: Mapping[str, Texts]) -> tuple[Roles, str, tuple[str, ...]]:
    """Columns called like predicted labels without those of shares, the one that is taken then, and a note on the others."""
    names = (label, *roles.rivals.get("label", ()))
    shares = [name for name in names if are_shares(cells[name])]
    if not shares or are_shares(cells[roles.truth]):
        return roles, label, ()
    left = [name for name in names if name not in shares and plain_name(name) not in LABEL]
    if left:
        note = f"Not used: the column '{shares[0]}'; `columns` names it, as probability={shares[0]}, if it is one."
        return replace(roles, label=left[0], rivals={**roles.rivals, "label": tuple(left[1:])}), left[0], (note,)
    classes, predicted = np.unique(plain_cells(cells[label]).astype(str), return_inverse=True)
    if label not in shares and not (len(classes) == 2 and follow_from(predicted, as_numbers(cells[shares[0]]))):
        message = f"{table.name}: '{label}' does not follow from '{shares[0]}': it may not hold the predicted labels"
        raise InputError(message, hint=f"name them by `columns`, as label={label} or probability={shares[0]}")
    return roles, label, ()


def _check_called_label(table: Table, roles: Roles, cells: Mapping[str, Texts], truth: Texts) -> None:
    """Refuse predicted labels that are not the most probable classes where a column `label` beside true ones is."""
    names = [name for name in known_columns(list(cells), LABEL) if name != roles.label]
    if not names or plain_name(roles.truth) not in CERTAIN or "label" not in roles.rivals:
        return
    found = {name: plain_cells(cells[name]) for name in (str(roles.label), *names)}
    columns = _columns(table, {name: column for name, column in cells.items() if name not in found}, found, truth)
    if columns is not None and not _follows(found[str(roles.label)], columns):
        for name in names:
            if _follows(found[name], columns):
                raise several(table, "label", str(roles.label), name, found)


def _columns(table: Table, cells: Mapping[str, Texts], found: Mapping[str, Texts], truth: Texts) -> ClassColumns | None:
    """The columns of probabilities of classes; None if there are none, or none that can be read."""
    seen = sorted({*truth}.union(*found.values()))
    try:
        return class_columns(table.name, table.columns, cells, seen)
    except InputError:
        return None


def _follows(label: Texts, columns: ClassColumns) -> bool:
    """Whether labels are those of the most probable classes, or of two classes those from a threshold on."""
    number = {name: k for k, name in enumerate(columns.classes)}
    if not {*label} <= number.keys():
        return False
    predicted = np.array([number[text] for text in label], dtype=np.int64)
    return not less_probable(columns.p, predicted).any() or (
        len(columns.classes) == 2 and follow_from(predicted, columns.p[:, 1])
    )
