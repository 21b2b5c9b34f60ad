"""Labels in a column of another name, where those that were taken may be none."""

import re
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import plain_name
from dlcli.core.evaluation.one_probability import follow_from, less_probable, many_orders
from dlcli.core.evaluation.prediction_roles import ALSO_TRUTH, Roles
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.evaluation.rival_truths import more_than_by_chance, plain_cells
from dlcli.support.errors import InputError
from dlcli.support.tables import Table

_UNCLEAR = ("target", "y", "reference")
_WHOLE = re.compile(r"-?\d+")

Texts = NDArray[np.object_]


def check_stray(
    table: Table, roles: Roles, predictions: Predictions, metadata: Mapping[str, Texts], named: Collection[str]
) -> None:
    """Refuse a table in which a column of another name may hold the labels that are taken from elsewhere.

    That is one of the predicted labels where the most probable classes are taken for these or a column `label`, and one of the
    true labels where a column `target` or the like is.

    Args:
        table: The table.
        roles: The columns that were taken.
        predictions: What was read.
        metadata: The columns that are left, (n,) each.
        named: The roles of the columns that the user names.

    Raises:
        InputError: If there is such a column.
    """
    if "label" in named or ("truth" in named and {"classes", "probability"} & {*named}):
        return
    for name, cells in _of_classes(predictions, metadata):
        role = _role_of(roles, predictions, cells, truth_named="truth" in named)
        if role:
            taken = roles.truth if role == "truth" else roles.label
            instead = "the most probable classes" if taken is None else f"those of '{taken}'"
            message = (
                f"{table.name}: the {'true' if role == 'truth' else 'predicted'} labels may be those of '{name}' or {instead}"
            )
            hint = f"name them by `columns`, as {role}={name}" + (f" or {role}={taken}" if taken else ", or drop the column")
            raise InputError(message, hint=hint)


def _of_classes(predictions: Predictions, metadata: Mapping[str, Texts]) -> list[tuple[str, NDArray[np.int64]]]:
    """The columns of two labels or more that hold nothing else, other than the true ones, as numbers of classes."""
    number, found = {name: k for k, name in enumerate(predictions.outputs)}, []
    for name, column in metadata.items():
        cells = plain_cells(column)
        if len({*cells}) > 1 and {*cells} <= number.keys():
            labels = np.array([number[text] for text in cells], dtype=np.int64)
            if not np.array_equal(labels, predictions.y) and not np.array_equal(labels, predictions.predicted):
                found.append((name, labels))
    return found


def _role_of(roles: Roles, predictions: Predictions, labels: NDArray[np.int64], *, truth_named: bool) -> str:
    """Which labels a column may hold, truth or label, in place of those that were taken; "" if none."""
    y, predicted = predictions.y, predictions.predicted
    of_truth, of_predicted = int((labels == y).sum()), int((labels == predicted).sum())
    words = not all(map(_WHOLE.fullmatch, predictions.outputs))
    related = words or more_than_by_chance(labels, y) or more_than_by_chance(labels, predicted)
    plain = plain_name(roles.truth)
    if not truth_named and roles.label is not None:
        of_attack = plain in ALSO_TRUTH and "target" in plain and related
        if of_attack or (plain in _UNCLEAR and of_predicted > int(predictions.correct.sum())):
            return "truth"
    p = None if predictions.log_p is None else np.exp(predictions.log_p)
    if roles.label is None and p is not None:
        cut = p.shape[1] == 2 and many_orders(labels) and follow_from(labels, p[:, 1])
        return "label" if cut or (of_predicted > of_truth and more_than_by_chance(labels, predicted)) else ""
    certain = p is not None and not less_probable(p, predicted).any()
    return "label" if roles.called_label and not certain and related else ""
