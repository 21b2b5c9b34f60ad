"""Columns that can be read in several ways: they are read as they were written, or refused until they are named."""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from dlcli.core.evaluation.prediction_files import PredictionTable, read_predictions
from dlcli.support.errors import InputError
from dlcli.support.read_tables import parse_table
from dlcli.support.tables import Table

N = 60
Columns = Mapping[str, NDArray[Any] | list[Any]]


def table(columns: Columns) -> Table:
    rows = zip(*(map(str, column) for column in columns.values()), strict=True)
    return parse_table("given.csv", "\n".join(",".join(row) for row in [tuple(columns), *rows]).encode())


def read(columns: Columns, *named: str) -> PredictionTable:
    return read_predictions(table(columns), named)


def network(classes: int = 2, n: int = N) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """True labels, and probabilities (n, classes) of a network that is often right, of which none are equal."""
    random = np.random.default_rng(classes)
    y = random.integers(classes, size=n)
    p = random.dirichlet(np.ones(classes), n) + 0.5 * np.eye(classes)[y]
    return y, (p / p.sum(1, keepdims=True)).round(9)


def area(found: PredictionTable) -> float:
    log_p = found.predictions.log_p
    assert log_p is not None
    return float(roc_auc_score(found.predictions.y, log_p[:, 1]))


def other_confidence() -> NDArray[np.float64]:
    """As a rater gives, from one half on."""
    return np.random.default_rng(9).uniform(0.5, 1, N).round(6)


@pytest.mark.parametrize("word", ["true", "gt", "ground_truth", "gold", "actual"])
@pytest.mark.parametrize("kind", ["{}_label", "label_{}", "{} class", "{}Category", "y_{}"])
@pytest.mark.parametrize("predicted", ["pred", "prediction_label", "class_pred", "predicted_category"])
def test_a_certain_name_goes_before_label_wherever_it_stands(word, kind, predicted):
    y, p = network(4)
    name, labels = kind.format(word), {"label": np.roll(y, 1), predicted: p.argmax(1)}
    for order in permutations([name, *labels]):
        found = read({one: {**labels, name: y}[one] for one in order})
        assert found.predictions.correct.tolist() == (y == p.argmax(1)).tolist()
        assert found.read_as == f"Columns: true labels '{name}', predicted labels '{predicted}'."


@pytest.mark.parametrize("column", ["prob_1", "p_1", "1_score"])
@pytest.mark.parametrize("rival", ["confidence", "score", "probability"])
@pytest.mark.parametrize("cut", [0.3, 0.5, 0.7])
def test_a_column_that_is_called_like_a_class_goes_before_one_that_is_not(column, rival, cut):
    y, p = network()
    cells = {"label": y, "pred": (p[:, 1] >= cut).astype(int), rival: other_confidence(), column: p[:, 1]}
    for order in permutations(cells):
        found = read({name: cells[name] for name in order})
        assert area(found) == pytest.approx(roc_auc_score(y, p[:, 1]))
        assert any(note.startswith(f"The column '{rival}' is not used") for note in found.notes)


@pytest.mark.parametrize("rival", ["confidence", "prob", "probability", "p", "score"])
@pytest.mark.parametrize("cut", [0.3, 0.5, 0.7])
def test_a_column_from_which_the_labels_follow_goes_before_any_other(rival, cut):
    y, p = network()
    cells = {"label": y, "pred": (p[:, 1] >= cut).astype(int), rival: other_confidence(), "y_score": p[:, 1]}
    for order in permutations(cells):
        assert area(read({name: cells[name] for name in order})) == pytest.approx(roc_auc_score(y, p[:, 1]))


@pytest.mark.parametrize(("one", "other"), [("confidence", "probability"), ("prob", "y_prob")])
def test_two_probabilities_of_predicted_labels_that_differ_are_refused_until_one_is_named(one, other):
    y, p = network(5)
    cells = {"label": y, "pred": p.argmax(1), one: other_confidence(), other: p.max(1)}
    with pytest.raises(InputError, match="the probability may be that of '.*' or of '.*', which differ most in row"):
        read(cells)
    assert read(cells, f"probability={other}").predictions.confidence == pytest.approx(p.max(1))
    same = read({**cells, one: p.max(1).round(2)}).predictions.confidence
    assert same == pytest.approx(p.max(1), abs=0.01)


@pytest.mark.parametrize(("one", "other"), [("score", "y_score"), ("probability", "p"), ("prob", "proba")])
def test_two_probabilities_without_predicted_labels_are_refused_until_one_is_named(one, other):
    y, p = network()
    cells = {"y_true": y, one: np.random.default_rng(0).random(N).round(3), other: p[:, 1]}
    with pytest.raises(InputError, match="the probability may be that of '.*' or of '.*'"):
        read(cells)
    assert area(read(cells, f"probability={other}")) == pytest.approx(roc_auc_score(y, p[:, 1]))


def test_a_confidence_without_predicted_labels_is_of_no_known_class():
    y, p = network()
    with pytest.raises(InputError, match="'confidence' is at least one half in every row") as caught:
        read({"y_true": y, "confidence": p.max(1)})
    assert "probability=confidence" in str(caught.value.hint)
    assert area(read({"y_true": y, "confidence": p[:, 1]})) == pytest.approx(roc_auc_score(y, p[:, 1]))
    both = read({"y_true": y, "confidence": p.max(1), "prob": p[:, 1]})
    assert area(both) == pytest.approx(roc_auc_score(y, p[:, 1])) and "probability 'prob'" in both.read_as


@pytest.mark.parametrize("name", ["label", "class", "labels"])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("style", ["p_{}", "prob_{}", "{}", None])
def test_the_only_labels_beside_probabilities_are_the_true_ones_unless_they_follow_from_these(name, classes, style):
    if style is None and classes > 2:
        return
    y, p = network(classes)
    cells = {"score": p[:, 1]} if style is None else {style.format(k): p[:, k] for k in range(classes)}
    found = read({name: y, **cells})
    assert found.predictions.correct.tolist() == (y == p.argmax(1)).tolist()
    with pytest.raises(InputError, match=f"'{name}' follows from the probabilities in every row") as caught:
        read({name: p.argmax(1), **cells})
    assert caught.value.hint is not None and f"truth={name}" in caught.value.hint
    assert read({name: p.argmax(1), **cells}, f"truth={name}").predictions.correct.all()
    if classes == 2:
        with pytest.raises(InputError, match="follows from the probabilities"):
            read({name: (p[:, 1] >= 0.8).astype(int), **cells})


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("truth", ["y_true", "actual", "gold", "gt"])
@pytest.mark.parametrize("name", ["label", "class_name", "labels"])
def test_labels_of_a_rater_are_not_read_as_predicted_ones(classes, truth, name):
    y, p = network(classes)
    rater = np.where(np.arange(N) % 6 == 0, (y + 1) % classes, y)
    cells = {truth: y, name: rater, **{f"p_{k}": p[:, k] for k in range(classes)}}
    with pytest.raises(InputError, match=rf"rows '{name}' is not the most probable class"):
        read(cells)
    assert read(cells, f"label={name}").predictions.correct.tolist() == (y == rater).tolist()
    assert read({**cells, name: p.argmax(1)}).predictions.correct.tolist() == (y == p.argmax(1)).tolist()


@pytest.mark.parametrize("truth", ["target", "y"])
@pytest.mark.parametrize("label", ["label", "class"])
def test_a_target_beside_a_label_may_be_of_an_attack(truth, label):
    y, p = network(3)
    for cells in ({label: y, truth: (y + 1) % 3}, {label: p.argmax(1), truth: y}):
        with pytest.raises(InputError, match=f"the true labels may be those of '{truth}' or of '{label}'"):
            read(cells)
        named = read(cells, f"truth={truth}", f"label={label}").predictions.correct
        assert named.tolist() == (np.array(cells[truth]) == np.array(cells[label])).tolist()


@pytest.mark.parametrize("flag", ["true", "truth", "Actual"])
@pytest.mark.parametrize("classes", [2, 3])
def test_whether_a_row_is_right_is_no_label(flag, classes):
    names = ["False", "True"] if classes == 2 else ["a", "b", "c"]
    y, p = network(classes)
    truth, label = ([names[k] for k in column] for column in (y, p.argmax(1)))
    cells = {"label": truth, "pred": label, flag: [str(a == b) for a, b in zip(truth, label, strict=True)]}
    if classes == 2:
        with pytest.raises(InputError, match=f"the true labels may be those of '{flag}' or of 'label'"):
            read(cells)
    right = read(cells, "truth=label") if classes == 2 else read(cells)
    assert right.predictions.correct.tolist() == (y == p.argmax(1)).tolist()
    certain = read({**{"y_true" if name == "label" else name: column for name, column in cells.items()}})
    assert certain.predictions.correct.tolist() == (y == p.argmax(1)).tolist()


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("labelled", [True, False])
def test_probabilities_by_rank_are_no_classes(start, classes, labelled):
    """As the most probable classes of each row: prob_1 to prob_3 beside labels 1 to 3."""
    y, p = network(classes, 12)
    ranked = np.sort(p, 1)[:, ::-1]
    label = {"pred": p.argmax(1) + start} if labelled else {}
    cells = {"y_true": y + start, **label, **{f"prob_{k + start}": ranked[:, k] for k in range(classes)}}
    if labelled:
        found = read(cells)
        assert found.predictions.log_p is None and (found.predictions.correct == (y == p.argmax(1))).all()
        assert any("fall in each row, as by rank" in note for note in found.notes)
    else:
        with pytest.raises(InputError, match="those of ranks, not of classes|class (plus|minus) 1"):
            read(cells)
    by_class = {**cells, **{f"prob_{k + start}": p[:, k] for k in range(classes)}}
    assert read(by_class).predictions.correct.tolist() == (y == p.argmax(1)).tolist()


def test_probabilities_that_are_the_same_in_each_row_are_no_ranks():
    y, _ = network(3)
    found = read({"y_true": y, "prob_0": [0.5] * N, "prob_1": [0.3] * N, "prob_2": [0.2] * N})
    assert found.predictions.correct.tolist() == (y == 0).tolist()


@pytest.mark.parametrize("classes", [3, 6])
@pytest.mark.parametrize("n", [6, 60])
@pytest.mark.parametrize("labelled", [True, False])
def test_labels_from_1_beside_columns_from_0_are_refused_though_the_last_class_is_absent(classes, n, labelled):
    y, p = network(classes, n)
    y = np.minimum(y, classes - 2)
    y[0] = 0
    p[np.arange(n), y] += 1
    p /= p.sum(1, keepdims=True)
    columns = {f"prob_{k}": p[:, k] for k in range(classes)}
    with pytest.raises(InputError, match="the true label is the predicted class plus 1"):
        read({"y_true": y + 1, **({"y_pred": p.argmax(1)} if labelled else {}), **columns})
    found = read({"y_true": y, **columns})
    assert found.predictions.correct.tolist() == (y == p.argmax(1)).tolist()


@pytest.mark.parametrize("classes", [5, 8])
@pytest.mark.parametrize("right", [0.3, 0.9])
def test_labels_from_1_beside_predicted_ones_from_0_are_refused_however_weak_the_network(classes, right):
    random = np.random.default_rng(classes)
    y = np.arange(90) % classes
    guess = np.where(random.random(90) < right, y, (y + 2) % classes)
    for true, predicted in ((y + 1, guess), (y, guess + 1)):
        with pytest.raises(InputError, match="as where labels are counted from"):
            read({"y_true": true, "y_pred": predicted})


@pytest.mark.parametrize(
    "cells", [["90", "80", "70.5"], ["4", "5", "3"], ["high", "low", "low"], ["0.9", "", "0.8"], ["2.1", "-1", "0.3"]]
)
@pytest.mark.parametrize("name", ["confidence", "score", "p"])
def test_what_is_no_probability_beside_predicted_labels_is_not_used(cells, name):
    found = read({"y_true": ["a", "b", "c"], "y_pred": ["a", "b", "b"], name: cells})
    assert found.predictions.confidence is None and found.predictions.correct.tolist() == [True, True, False]
    assert any(note.startswith("Not used: row ") and f"column '{name}'" in note for note in found.notes)
    assert name in found.metadata


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("of", [0, 1])
def test_of_two_words_a_threshold_tells_whose_probability_it_is(cut, of):
    y, p = network()
    names = np.array(["benign", "malignant"])
    label = names[(p[:, 1] >= cut).astype(int)]
    found = read({"label": names[y], "pred": label, "score": p[:, of]})
    assert area(found) == pytest.approx(roc_auc_score(y, p[:, 1]))


def test_columns_of_a_pair_of_words_are_no_labels():
    """`True` beside `False` is a class, and not the true label."""
    y, p = network()
    words = np.array(["False", "True"])
    found = read({"y_true": words[y], "y_pred": words[p.argmax(1)], "False": p[:, 0], "True": p[:, 1]})
    assert area(found) == pytest.approx(roc_auc_score(y, p[:, 1]))
    assert found.read_as.endswith("probabilities of classes False, True.")


@pytest.mark.parametrize("style", ["p{}", "prob{}", "Score{}"])
@pytest.mark.parametrize("names", [["cat", "dog", "hen"], ["NEG", "POS"], ["cat", "cat2", "cat22", "at"]])
def test_columns_of_a_word_and_a_label_without_a_joint_are_probabilities_if_they_sum_to_1(style, names):
    y, p = network(len(names))
    labels = np.array(names, dtype=object)
    p[:, -1] = 1 - p[:, :-1].sum(1)
    cells = {style.format(name): p[:, k].round(9) for k, name in enumerate(names)}
    found = read({"y_true": labels[y], **cells})
    order = [names.index(one) for one in found.predictions.outputs]
    assert np.exp(found.predictions.log_p) == pytest.approx(p[:, order], abs=1e-8)
    away = read({"y_true": labels[y], "pred": labels[p.argmax(1)], **{name: 3 * column for name, column in cells.items()}})
    assert away.predictions.log_p is None


@pytest.mark.parametrize("column", ["prob_1", "p_2"])
def test_one_column_from_half_on_is_not_that_of_a_class_which_is_not_always_predicted(column):
    y, p = network()
    cells = {"y_true": y + 1, "y_pred": p.argmax(1) + 1, column: p.max(1)}
    with pytest.raises(InputError, match="is the probability of the predicted label rather than of one class"):
        read(cells)
    assert area(read(cells, f"probability={column}")) == pytest.approx(roc_auc_score(y, p[:, 1]))


def test_a_confidence_beside_classes_of_unknown_names_is_their_highest_or_not_used():
    y, p = network(4)
    names = np.array(["a", "b", "c", "d"])
    cells = {"y_true": names[y], "y_pred": names[p.argmax(1)], **{f"prob_{k}": p[:, k] for k in range(4)}}
    assert read({**cells, "confidence": p.max(1)}).predictions.confidence == pytest.approx(p.max(1))
    other = read({**cells, "confidence": other_confidence()})
    assert other.predictions.confidence is None
    assert any("'confidence' is not the highest of the probabilities of classes" in note for note in other.notes)


@pytest.mark.parametrize("classes", [2, 4])
def test_a_label_that_is_the_most_probable_class_beside_a_prediction_that_is_not_is_refused(classes):
    y, p = network(classes)
    other = np.random.default_rng(4).integers(classes, size=N)
    cells = {"y_true": y, "label": p.argmax(1), "prediction": other, **{f"p_{k}": p[:, k] for k in range(classes)}}
    with pytest.raises(InputError, match="the predicted labels may be those of 'prediction' or of 'label'"):
        read(cells)
    assert read(cells, "label=label").predictions.correct.tolist() == (y == p.argmax(1)).tolist()
    swapped = read({**cells, "label": other, "prediction": p.argmax(1)})
    assert swapped.predictions.correct.tolist() == (y == p.argmax(1)).tolist()


@pytest.mark.parametrize("name", ["proba", "y_pred_proba", "prob"])
def test_a_label_that_does_not_follow_from_the_probability_is_not_read_as_the_predicted_one(name):
    y, p = network()
    rater = np.where(np.arange(N) % 6 == 0, 1 - y, y)
    with pytest.raises(InputError, match="'label' (does not follow from|is not the most probable)|rows 'label' is not"):
        read({"y_true": y, "label": rater, name: p[:, 1]})
    found = read({"y_true": y, "label": (p[:, 1] >= 0.4).astype(int), name: p[:, 1]})
    assert area(found) == pytest.approx(roc_auc_score(y, p[:, 1]))
