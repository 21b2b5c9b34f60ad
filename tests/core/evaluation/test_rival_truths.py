"""Several columns that are called like true labels, of which one holds them: what is read is right, or the table is refused."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dlcli.core.evaluation.prediction_files import PredictionTable, read_predictions
from dlcli.support.errors import InputError
from dlcli.support.read_tables import parse_table
from dlcli.support.tables import Table

N = 300
RIVALS = ["y", "target", "reference", "actual", "gold", "class", "expected", "y_test"]
TRUTHS = ["label", "class", "labels"]
CERTAIN = ["truth", "y_true", "true_label", "ground truth", "gt"]


def made(classes: int = 10) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True labels and predicted ones, of which nine in ten are right."""
    random = np.random.default_rng(classes)
    y = random.integers(classes, size=N)
    return y, np.where(random.random(N) < 0.9, y, random.integers(classes, size=N))


def table(**columns: NDArray[np.generic] | list[str]) -> Table:
    rows = zip(*(map(str, column) for column in columns.values()), strict=True)
    return parse_table("given.csv", "\n".join(",".join(row) for row in [tuple(columns), *rows]).encode())


def accuracy(found: PredictionTable) -> float:
    return float(found.predictions.correct.mean())


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("predicted", ["prediction", "y_pred", "preds"])
@pytest.mark.parametrize("values", [2, 10, 64])
@pytest.mark.parametrize("first", [True, False])
def test_another_column_of_such_numbers_is_refused_until_one_is_named(truth, rival, predicted, values, first):
    """As the target of an attack, or a coordinate."""
    if truth == rival:
        return
    y, p = made()
    other = np.random.default_rng(0).integers(values, size=N)
    both = {rival: other, truth: y} if first else {truth: y, rival: other}
    given = table(**both, **{predicted: p})
    with pytest.raises(InputError, match="the true labels may be those of '.*' or of '.*', which differ in row") as caught:
        read_predictions(given)
    assert caught.value.hint is not None and "truth=" in caught.value.hint
    assert accuracy(read_predictions(given, (f"truth={truth}",))) == pytest.approx((y == p).mean())
    assert accuracy(read_predictions(given, (f"truth={rival}",))) == pytest.approx((other == p).mean())


@pytest.mark.parametrize("succeeds", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_targets_of_an_attack_are_refused_however_often_it_succeeds(succeeds, classes):
    y, p = made(classes)
    target = (y + 1) % classes
    p = np.where(np.random.default_rng(1).random(N) < succeeds, target, p if 0 < succeeds < 1 else y)
    with pytest.raises(InputError, match="the true labels may be those of 'target' or of 'label'"):
        read_predictions(table(label=y, target=target, prediction=p))


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("values", ["numbers of rows", "names of rows", "words", "fractions"])
def test_a_column_of_something_else_is_not_taken(truth, rival, values):
    if truth == rival:
        return
    y, p = made()
    other = {
        "numbers of rows": np.arange(N),
        "names of rows": [f"case{k}" for k in range(N)],
        "words": [("left", "right")[k % 2] for k in range(N)],
        "fractions": [f"{k % 7}.5" for k in range(N)],
    }[values]
    found = read_predictions(table(**{rival: other, truth: y, "prediction": p}))
    assert accuracy(found) == pytest.approx((y == p).mean()) and rival in found.metadata
    assert [note for note in found.notes if f"The true labels are those of '{truth}', not of '{rival}'" in note]


@pytest.mark.parametrize("truth", CERTAIN)
@pytest.mark.parametrize("rival", [*RIVALS, "label"])
def test_a_certain_name_decides_and_a_note_says_so(truth, rival):
    y, p = made()
    other = np.random.default_rng(0).integers(10, size=N)
    found = read_predictions(table(**{rival: other, truth: y, "prediction": p}))
    assert accuracy(found) == pytest.approx((y == p).mean())
    assert [note for note in found.notes if note.startswith(f"The true labels are those of '{truth}', not of '{rival}'")]


def test_two_certain_names_of_other_labels_are_refused():
    y, p = made()
    with pytest.raises(InputError, match="may be those of 'truth' or of 'y_true'"):
        read_predictions(table(y_true=y, truth=p[::-1], prediction=p))


@pytest.mark.parametrize("same", ["{}", "{}.0", " {}"])
def test_columns_of_the_same_labels_are_no_matter(same):
    y, p = made()
    found = read_predictions(table(target=[same.format(one) for one in y], label=y, prediction=p))
    assert accuracy(found) == pytest.approx((y == p).mean()) and found.notes == ()


@pytest.mark.parametrize("truth", ["label", "target"])
def test_what_the_table_says_of_the_answers_decides(truth):
    """Also in a table of dlcli, beside whose columns are others of the data."""
    y, p = made()
    other = {"label": "target", "target": "label"}[truth]
    right = ["true" if one else "false" for one in y == p]
    given = table(**{other: np.roll(y, 1), truth: y, "prediction": p, "correct": right})
    assert accuracy(read_predictions(given)) == pytest.approx((y == p).mean())


def test_probabilities_beside_two_columns_of_true_labels():
    y, _ = made(2)
    p = np.random.default_rng(0).random(N).round(3)
    given = table(y=y[::-1], target=y, p_0=(1 - p).round(3), p_1=p)
    with pytest.raises(InputError, match="may be those of 'target' or of 'y'"):
        read_predictions(given)


def test_the_label_may_be_the_true_one_if_the_predicted_one_is_named():
    y, p = made()
    found = read_predictions(table(label=y, guess=p), ("label=guess",))
    assert accuracy(found) == pytest.approx((y == p).mean())


@pytest.mark.parametrize("rival", ["y", "target"])
def test_a_true_label_beside_probabilities_is_not_read_as_the_predicted_one(rival):
    """A coordinate beside it is predicted by chance; where a network is better than that, it may be a rater's."""
    y, p = made()
    wide = np.where(np.arange(10) == p[:, None], 0.55, 0.05)
    columns = {f"p_{k}": wide[:, k] for k in range(10)}
    other = np.random.default_rng(0).integers(10, size=N)
    with pytest.raises(InputError, match=f"the true labels may be those of '{rival}' or of 'label'"):
        read_predictions(table(**{rival: other, "label": y}, **columns))
    assert accuracy(read_predictions(table(**{rival: y, "label": p}, **columns))) == pytest.approx((y == p).mean())
    shifted = np.where(np.random.default_rng(1).random(N) < 0.3, y, p)
    given = table(**{rival: y, "label": shifted}, **columns)
    with pytest.raises(InputError, match="rows 'label' is not the most probable class"):
        read_predictions(given)
    assert accuracy(read_predictions(given, ("label=label",))) == pytest.approx((y == shifted).mean())
