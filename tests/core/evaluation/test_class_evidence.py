"""Columns of probabilities that are numbered otherwise than the labels are refused, those of more classes than occur read."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dlcli.core.evaluation.prediction_files import read_predictions
from dlcli.support.errors import InputError
from dlcli.support.read_tables import parse_table
from dlcli.support.tables import Table

STYLES = ["p_{}", "prob_{}", "{}_proba", "P({})", "class {}"]
SHIFTS = [-1, 1]


def made(classes: int, seen: int, *, sharp: float, n: int = 60) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels 0 to `seen` - 1 of n examples, and probabilities of all classes, the right one mostly the highest."""
    random = np.random.default_rng(classes + 10 * seen)
    y = random.integers(seen, size=n)
    p = random.dirichlet(np.ones(classes), n) + sharp * np.eye(classes)[y]
    return y, p / p.sum(1, keepdims=True)


def table(columns: dict[str, NDArray[np.generic]]) -> Table:
    rows = zip(*(np.char.mod("%.9f" if values.dtype.kind == "f" else "%d", values) for values in columns.values()), strict=True)
    return parse_table("given.csv", "\n".join(",".join(row) for row in [tuple(columns), *rows]).encode())


def counted(
    classes: int, seen: int, *, sharp: float = 1.0, labels: int, columns: int, style: str, labelled: bool
) -> tuple[Table, float]:
    """A table whose labels are counted from one number and columns from another, and its accuracy."""
    y, p = made(classes, seen, sharp=sharp)
    cells = {"y_true": y + labels} | ({"y_pred": p.argmax(1) + labels} if labelled else {})
    names = {style.format(k + columns): p[:, k] for k in range(classes)}
    return table(cells | names), float((p.argmax(1) == y).mean())


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(("classes", "seen"), [(2, 2), (3, 3), (3, 2), (10, 10), (10, 2), (10, 4), (10, 1)])
def test_columns_counted_otherwise_than_the_labels_are_refused(classes, seen, labelled, shift, style):
    """Those that are called like no label at all are not used, and a note says so."""
    given, accuracy = counted(classes, seen, labels=2, columns=2 + shift, style=style, labelled=labelled)
    try:
        found = read_predictions(given)
    except InputError as error:
        assert "the columns" in str(error) or "none of the classes" in str(error)
    else:
        assert labelled and found.predictions.log_p is None and found.predictions.correct.mean() == pytest.approx(accuracy)
        assert found.notes[-1].startswith("Not used: the columns")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("sharp", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(("classes", "seen"), [(2, 2), (2, 1), (3, 3), (3, 2), (10, 10), (10, 2), (10, 4), (10, 1)])
def test_labels_of_some_of_the_classes_are_read(classes, seen, labelled, sharp, style):
    """Also those of a weak network."""
    given, accuracy = counted(classes, seen, sharp=sharp, labels=1, columns=1, style=style, labelled=labelled)
    assert read_predictions(given).predictions.correct.mean() == pytest.approx(accuracy)


@pytest.mark.parametrize("shift", SHIFTS)
def test_predictions_and_columns_counted_otherwise_than_the_truth_are_refused_until_named(shift):
    y, p = made(6, 3, sharp=1.0)
    y = y + 1
    given = table(
        {"y_true": y + shift, "y_pred": p.argmax(1) + 1} | {f"p_{k + 1}": p[:, k] for k in range(6)} | {"p_0": 0 * p[:, 0]}
    )
    with pytest.raises(InputError, match=f"true label is the predicted class {'plus' if shift > 0 else 'minus'} 1"):
        read_predictions(given)
    for named in (("classes=p_",), ("truth=y_true", "label=y_pred")):
        assert not read_predictions(given, named).predictions.correct.mean() > 0.5
    right = [str(a == b).lower() for a, b in zip(y + shift, p.argmax(1) + 1, strict=True)]
    own = Table(
        [*given.columns, "correct"], [[*row, one] for row, one in zip(given.rows, right, strict=True)], name="given.csv"
    )
    assert not read_predictions(own).predictions.correct.mean() > 0.5


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("column", ["prob_1", "1_prob"])
def test_one_column_that_the_labels_contradict_is_refused(column, labelled):
    """Of labels 1 and 2, the probability of the second, which is class 1 where classes are counted from 0."""
    y, p = made(2, 2, sharp=1.0)
    given = table({"y_true": y + 1} | ({"y_pred": p.argmax(1) + 1} if labelled else {}) | {column: p[:, 1]})
    with pytest.raises(InputError, match=f"by the columns {column}"):
        read_predictions(given)
    right = table({"y_true": y + 1} | ({"y_pred": p.argmax(1) + 1} if labelled else {}) | {column: p[:, 0]})
    assert read_predictions(right).predictions.correct.mean() == pytest.approx((p.argmax(1) == y).mean())


@pytest.mark.parametrize("cut", [0.05, 0.1, 0.9, 0.95])
def test_labels_of_a_threshold_may_be_the_less_probable_class(cut):
    """A low one on a rare class, or a high one; the columns exchanged contradict the labels however many agree."""
    y, p = made(2, 2, sharp=0.0)
    p[:, 1] = 0.5 * p[:, 1] if cut < 0.5 else 0.5 + 0.5 * p[:, 1]
    p[:, 0] = 1 - p[:, 1]
    cells = {"y_true": y, "y_pred": (p[:, 1] >= cut).astype(int)}
    found = read_predictions(table(cells | {"p_0": p[:, 0], "p_1": p[:, 1]}))
    assert found.predictions.predicted.tolist() == cells["y_pred"].tolist()
    for columns in ({"p_0": p[:, 1], "p_1": p[:, 0]}, {"p_1": p[:, 0]}):
        with pytest.raises(InputError, match="the predicted label is that of the class below a threshold"):
            read_predictions(table(cells | columns))


def test_labels_that_are_mostly_not_the_most_probable_class_are_refused_until_the_columns_are_named():
    y, p = made(5, 5, sharp=1.0)
    turned = {f"p_{name}": p[:, k] for k, name in enumerate([3, 4, 0, 1, 2])}
    given = table({"y_true": y, "y_pred": p.argmax(1)} | turned)
    with pytest.raises(InputError, match="in .* of 60 rows the predicted label is not the most probable class") as caught:
        read_predictions(given)
    assert caught.value.hint is not None and "classes=PREFIX" in caught.value.hint
    assert read_predictions(given, ("classes=p_",)).predictions.correct.mean() > 0.5
