"""Tables of predictions, one row per example: which column is what, by names and content.

Every framework writes such tables under names of its own. A column of true labels is needed, and a column of predicted labels
or one of probabilities per class; all other columns are metadata.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.class_labels import called_alike
from dlcli.core.data.column_names import known_columns, plain_name
from dlcli.core.evaluation.class_evidence import check_evidence
from dlcli.core.evaluation.class_probabilities import CLOSE, ClassColumns, numbers, unlike_notes
from dlcli.core.evaluation.class_shares import a_few, are_shares, summing_columns
from dlcli.core.evaluation.example_names import WHOLE, example_ids, file_notes
from dlcli.core.evaluation.example_rows import check_headers, check_rows, repeated_notes
from dlcli.core.evaluation.metrics import Floats
from dlcli.core.evaluation.one_probability import if_possible, less_probable_notes, of_neither, of_two_classes, with_both
from dlcli.core.evaluation.positive_class import known_pair
from dlcli.core.evaluation.prediction_columns import DERIVED, INDEX, LOSS
from dlcli.core.evaluation.prediction_labels import (
    check_pair,
    check_scores,
    common_labels,
    label_cells,
)
from dlcli.core.evaluation.prediction_roles import CONFIDENCE, Roles, find_roles, named_columns, rival_notes
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.evaluation.rival_predictions import settle_label
from dlcli.core.evaluation.rival_truths import check_label, correct_cells, none_right, settle_truth
from dlcli.core.evaluation.stray_labels import check_stray
from dlcli.core.evaluation.table_probabilities import named_classes, settle_probabilities, without_hard
from dlcli.support.errors import InputError
from dlcli.support.tables import Table, cell_text

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class PredictionTable:
    """What a table of predictions holds.

    Attributes:
        predictions: The predictions, without groups.
        files: The file of each example, (n,); None without such a column.
        ids: What the column `index` calls each example, (n,), no two the same; None without such a column.
        numbers: The same as whole numbers, (n,); the places of the rows from 0 on if they are none.
        metadata: The other columns as text, (n,) each.
        notes: How the columns were read, where that is not plain.
        used: What the columns hold that are no metadata, by name.
        read_as: Which columns were taken for what, in words.
    """

    predictions: Predictions
    files: Texts | None
    ids: Texts | None = None
    metadata: dict[str, Texts] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    used: Mapping[str, str] = field(default_factory=dict)
    read_as: str = ""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """See the class."""
        found = [] if self.ids is None else [WHOLE.fullmatch(str(one).strip()) for one in self.ids]
        if not found or not all(found):
            return np.arange(len(self.predictions.y))
        return np.array([int(one[1] + one[2]) for one in found if one], dtype=np.int64)


def read_predictions(table: Table, named: Sequence[str] = ()) -> PredictionTable:
    """Find the columns of a table of predictions, and check what they hold.

    Args:
        table: The table.
        named: Columns that the user names, each as ROLE=NAME with a role of `dlcli.specs.predictions.ROLES`.

    Raises:
        InputError: If a column is missing, or a row holds what it cannot; names the row.
    """
    if not table.rows:
        raise InputError(f"{table.name}: has no rows")
    check_headers(table)
    given = named_columns(table, named)
    cells = {name: _texts(table, k) for k, name in reversed(list(enumerate(table.columns)))}
    roles, settled = _roles(table, given, cells)
    truth, label = label_cells(table, roles, cells)
    seen = sorted({*truth, *([] if label is None else label)}, key=_order)
    check_pair(table, seen)
    check_rows(table, roles, truth, label, cells, given)
    taken = {roles.truth, roles.label, roles.sure, roles.file}
    free = {name: cells[name] for name in table.columns if name not in taken and plain_name(name) not in DERIVED}
    search = {name: column for name, column in free.items() if name not in roles.sures}
    found, search, others = named_classes(table, roles, search, label, seen, given)
    common: tuple[str, ...] = ()
    if found is None or not set(seen) <= set(found.classes):
        check_scores(table, roles, truth, label)
        common = common_labels(table, roles, truth, label, named={"truth", "label"} <= given.keys())
    found, roles, unfit = settle_probabilities(table, roles, cells, search, label, seen, found)
    _check_once(table, {*taken, roles.sure, *(found.columns if found else ())})
    predictions, notes = _predictions(table, roles, truth, label, cells, found, seen)
    if found is None and label is not None and roles.sure is not None and "probability" not in given:
        predictions, notes = if_possible(predictions, notes, roles.sure, cells[roles.sure])
    beside = (*repeated_notes(truth, free), *common, *settled, *rival_notes(roles, cells, truth, label))
    notes = (*beside, *_class_notes(predictions), *others, *unfit, *notes)
    of_classes = () if found is None else found.columns
    metadata = {name: column for name, column in free.items() if name not in of_classes and name != roles.sure}
    notes += _checked(table, roles, cells, predictions, found, given, metadata)
    predictions, hard = without_hard(predictions)
    notes += hard
    return replace(
        _with_metadata(table, roles, cells, metadata, predictions, notes), read_as=_read_as(roles, predictions, found)
    )


def _roles(table: Table, given: Mapping[str, str], cells: Mapping[str, Texts]) -> tuple[Roles, tuple[str, ...]]:
    """The columns of labels, and notes where what they hold decided which are meant."""
    roles = find_roles(table, given, {name for columns in summing_columns(cells) for name in columns})
    roles, of_truth = settle_truth(table, roles, cells)
    roles, of_label = settle_label(table, roles, cells)
    if roles.file is not None and are_shares(cells[roles.file]):
        roles = replace(roles, file=None)
    return roles, (*of_truth, *of_label)


def _checked(
    table: Table,
    roles: Roles,
    cells: Mapping[str, Texts],
    predictions: Predictions,
    found: ClassColumns | None,
    given: Mapping[str, str],
    metadata: Mapping[str, Texts],
) -> tuple[str, ...]:
    """A note if no row is right; raises InputError if what was read contradicts itself."""
    confirmed = _check_correct(table, cells, predictions)
    if found is not None:
        labelled = roles.label is not None
        check_evidence(table.name, found, predictions, labelled=labelled, named=given, confirmed=confirmed)
    if not confirmed:
        check_label(table, roles, predictions, given)
        check_stray(table, roles, predictions, metadata, given)
    return () if confirmed or {"truth", "label"} <= given.keys() else none_right(roles, predictions)


def _with_metadata(
    table: Table,
    roles: Roles,
    cells: dict[str, Texts],
    metadata: dict[str, Texts],
    predictions: Predictions,
    notes: tuple[str, ...],
) -> PredictionTable:
    """The predictions with what names their examples, and all columns that are left."""
    files, ids = None if roles.file is None else cells[roles.file], example_ids(table, cells)
    own = {} if files is None else {"file": files}
    return PredictionTable(predictions, files, ids, metadata | own, (*file_notes(files, ids), *notes), _used(roles, cells))


def _read_as(roles: Roles, predictions: Predictions, found: ClassColumns | None) -> str:
    """Which columns were taken for what."""
    parts = [f"true labels '{roles.truth}'"]
    parts += [f"predicted labels '{roles.label}'"] if roles.label is not None else []
    if found is not None:
        parts.append(f"probabilities of classes {a_few(found.columns)}")
    elif predictions.confidence is not None:
        parts.append(f"probability '{roles.sure}'")
    return f"Columns: {', '.join(parts)}."


def _used(roles: Roles, columns: Iterable[str]) -> dict[str, str]:
    """What columns hold that are no metadata: all others than these are probabilities of classes."""
    own = {INDEX: "another number or name in each row", **dict.fromkeys(DERIVED[1:], "what follows from the predictions")}
    found = {name: own.get(plain_name(name), "probabilities") for name in columns}
    taken = {
        roles.truth: "the true labels",
        roles.label: "the predicted labels",
        roles.sure: "a probability",
        roles.file: "the names of files, which go by 'file'",
    }
    return found | {name: what for name, what in taken.items() if name is not None}


def _check_once(table: Table, used: Collection[str | None]) -> None:
    """Raise InputError if one of the columns in use is there several times."""
    twice = next((name for name in table.columns if table.columns.count(name) > 1 and name in used), None)
    if twice is not None:
        hint = "rename the others, so that it is clear which is meant"
        raise InputError(f"{table.name}: has several columns called '{twice}'", hint=hint)


def _class_notes(predictions: Predictions) -> list[str]:
    pairs, true = called_alike(predictions.outputs), {*predictions.y.tolist()}
    notes = [f"{pairs}, and count as two classes."] if pairs else []
    if len(true) == 1 < len(predictions.y):
        notes.append(f"All true labels are '{predictions.outputs[min(true)]}': accuracy is the recall of that class.")
    return notes


def _texts(table: Table, k: int) -> Texts:
    found = np.empty(len(table.rows), dtype=object)
    found[:] = [cell_text(row[k]) for row in table.rows]
    return found


def _order(text: str) -> tuple[float, str]:
    """Numbers in their order, before texts; those of equal value, as 2 and 02, as texts."""
    return (float(text), text) if text.lstrip("-").isdigit() and text.isascii() else (float("inf"), text)


def _predictions(
    table: Table,
    roles: Roles,
    truth: Texts,
    label: Texts | None,
    cells: dict[str, Texts],
    found: ClassColumns | None,
    seen: list[str],
) -> tuple[Predictions, tuple[str, ...]]:
    if found is None:
        sure = None if roles.sure is None else numbers(table.name, roles.sure, cells[roles.sure])
        return _of_labels(table, truth, label, sure, seen, roles)
    outputs, p, notes = found.classes, found.p, list(found.notes)
    y = _numbered(table, truth, outputs, roles.truth)
    best = p.argmax(1)
    predicted = best if label is None else _numbered(table, label, outputs, str(roles.label))
    notes += less_probable_notes(p, predicted)
    notes += [] if roles.sure is None else unlike_notes(roles.sure, cells[roles.sure], p, predicted)
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    loss, more = _loss(table, p, y, cells, roles)
    return Predictions(y, predicted, outputs, log_p, p[np.arange(len(y)), predicted], loss=loss), (*notes, *more)


def _numbered(table: Table, labels: Texts, outputs: tuple[str, ...], column: str) -> NDArray[np.int64]:
    """The output that each label names."""
    number = {name: k for k, name in enumerate(outputs)}
    for row, text in enumerate(labels, start=1):
        if text not in number:
            message = f"{table.name}: row {row}, column '{column}': '{text}' is none of the classes that have probabilities"
            raise InputError(message, hint=f"these are {a_few(outputs, 8)}")
    return np.array([number[text] for text in labels], dtype=np.int64)


def _loss(
    table: Table, p: Floats, y: NDArray[np.int64], cells: dict[str, Texts], roles: Roles
) -> tuple[Floats | None, tuple[str, ...]]:
    """The negative log-probability of the true class if there is a column of it, which is not rounded to 0."""
    column = next(iter(known_columns([name for name in cells if name != roles.sure], (LOSS,))), None)
    if column is None:
        return None, ()
    loss = numbers(table.name, column, cells[column], most=None)
    if (np.abs(np.exp(-loss) - p[np.arange(len(y)), y]) < CLOSE).all():
        return loss, ()
    return None, (f"The column '{column}' is not used: it is not the negative log-probability of the true class.",)


def _of_labels(
    table: Table, truth: Texts, label: Texts | None, sure: Floats | None, seen: list[str], roles: Roles
) -> tuple[Predictions, tuple[str, ...]]:
    """Predictions without a column of probabilities per class."""
    positive = known_pair(seen)
    lower = {one.lower(): one for one in seen}
    # Only probabilities are of both classes of a pair: labels may be of one class.
    outputs = tuple(lower.get(one, one) for one in positive if sure is not None or one in lower) if positive else tuple(seen)
    if label is None:
        if sure is None or positive is None:
            raise _no_labels(table, roles)
        p = np.stack([1 - sure, sure], axis=1)
        y, predicted = _numbered(table, truth, outputs, "truth"), (sure >= 0.5).astype(np.int64)
        note = f"The probability is that of '{outputs[1]}', which is predicted from one half on."
        return with_both(y, predicted, outputs, p), (note,)
    y, predicted = (_numbered(table, labels, outputs, "label") for labels in (truth, label))
    if sure is None or len(outputs) != 2:
        return Predictions(y, predicted, outputs, None, sure), ()
    if roles.sures and positive is None and (why := of_neither(predicted, sure)):
        plain = Predictions(y, predicted, outputs, None, None)
        return plain, (f"The column '{roles.sure}' is not used: {why}; `columns` names it, as probability={roles.sure}.",)
    return of_two_classes(
        table,
        y,
        predicted,
        outputs,
        sure,
        known=positive is not None,
        of_label=plain_name(roles.sure or "") in CONFIDENCE,
    )


def _no_labels(table: Table, roles: Roles) -> InputError:
    """That true or predicted labels are missing."""
    if roles.only_label:
        message = f"{table.name}: has no column of labels but '{roles.truth}', where true and predicted ones are needed"
        hint = f"name them by `columns`, as truth=NAME,label=NAME; there are: {', '.join(table.columns[:12])}"
        return InputError(message, hint=hint)
    hint = "name it by `columns` as label=NAME; without it a column of probabilities per class is needed"
    return InputError(f"{table.name}: has no column of predicted labels (predicted, y_pred, label ...)", hint=hint)


def _check_correct(table: Table, cells: Mapping[str, Texts], predictions: Predictions) -> bool:
    """Whether a column says which predictions are correct; raises InputError, naming the row, if labels say otherwise."""
    right = correct_cells(cells)
    if right is None:
        return False
    other = np.flatnonzero(right != predictions.correct)
    if len(other):
        row = int(other[0])
        true, label = (predictions.outputs[one[row]] for one in (predictions.y, predictions.predicted))
        said = f"correct is {cells['correct'][row]}, but the true label is '{true}' and '{label}' predicted"
        message = f"{table.name}: row {row + 1}: {said}"
        raise InputError(message, hint="name the columns by `columns`: truth=NAME,label=NAME")
    return True
