"""Tables as other programs write them, and columns beside those of classes that hold something else."""

from itertools import pairwise

import numpy as np
import pytest

from dlcli.support.errors import InputError
from tests.core.evaluation.test_column_readings import N, area, network, read

NAMES = np.array(["cat", "dog", "hen"])
Y, P = network(3)
GUESS = np.where(np.arange(N) % 9 == 0, 0, P.argmax(1))
"""Predicted labels that are not always those of the most probable class, as where classes have weights."""


def shares(template: str) -> dict[str, object]:
    return {template.format(name): P[:, k] for k, name in enumerate(NAMES)}


PROGRAMS = {
    "caret": {"pred": NAMES[GUESS], "obs": NAMES[Y], **shares("{}")},
    "tidymodels": {".pred_class": NAMES[GUESS], **shares(".pred_{}"), "truth": NAMES[Y]},
    "KNIME": {"Species": NAMES[Y], **shares("P (Species={})"), "Prediction (Species)": NAMES[GUESS]},
    "RapidMiner": {"label": NAMES[Y], "prediction(label)": NAMES[GUESS], **shares("confidence({})")},
    "H2O": {"truth": NAMES[Y], "predict": NAMES[GUESS], **shares("{}")},
    "Vertex": {"truth": NAMES[Y], "predicted_label": NAMES[GUESS], **shares("predicted_label_probs.{}")},
}


@pytest.mark.parametrize("cells", PROGRAMS.values(), ids=PROGRAMS)
def test_tables_of_other_programs_are_read(cells):
    found = read(cells).predictions
    assert found.log_p is not None and np.exp(found.log_p) == pytest.approx(P)
    assert (found.predicted == GUESS).all() and (found.y == Y).all()


def test_scored_labels_and_probabilities():
    y, p = network()
    found = read({"label": y, "Scored Labels": (p[:, 1] > 0.6).astype(int), "Scored Probabilities": p[:, 1]})
    assert area(found) == pytest.approx(area(read({"y_true": y, "y_prob": p[:, 1]})))
    assert (found.predictions.predicted == (p[:, 1] > 0.6)).all()


@pytest.mark.parametrize("style", ["p_{}", "prob_{}", "{}_score", "P({})"])
@pytest.mark.parametrize("further", ["max", "value", "old", "entropy"])
@pytest.mark.parametrize("absent", [True, False])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_further_column_in_the_style_of_those_of_classes_is_not_used(style, further, absent, labelled):
    """Whether or not each class has a row."""
    rows = np.flatnonzero((Y < 2) & (GUESS < 2)) if absent else np.arange(N)
    cells = {"truth": NAMES[Y], **({"pred": NAMES[GUESS]} if labelled else {}), **shares(style)}
    other = {style.format(further): np.random.default_rng(3).uniform(0.1, 1, N).round(4)}
    found = read({name: column[rows] for name, column in (cells | other).items()})
    assert np.exp(found.predictions.log_p) == pytest.approx(P[rows])
    assert any(f"Not used: {style.format(further)}, since" in note for note in found.notes)


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("behind", [0, 1])
def test_shares_beside_columns_called_like_classes_are_not_used(before, behind):
    """A class that no row has stands in no column of labels, and is known by its place and by the sum."""
    rows = np.flatnonzero(Y < 2)
    noise = np.random.default_rng(4).uniform(0.1, 1, (N, 3)).round(4)
    cells = {"truth": NAMES[Y], **{f"rate {k}": noise[:, k] for k in range(before)}, **shares("{}")}
    cells |= {f"share {k}": noise[:, 2] for k in range(behind)}
    found = read({name: column[rows] for name, column in cells.items()})
    assert found.predictions.outputs == tuple(NAMES) and np.exp(found.predictions.log_p) == pytest.approx(P[rows])


def test_probabilities_without_a_part_that_sums_to_1_are_refused():
    cells = {"truth": NAMES[Y], **shares("p_{}"), "p_max": P.max(1)}
    with pytest.raises(InputError, match="sum to .*, not 1"):
        read({**cells, "p_cat": (P[:, 0] * 0.9).round(6)})


@pytest.mark.parametrize("word", ["score", "p", "class"])
def test_ratings_in_numbered_columns_are_no_classes(word):
    cells = {
        "truth": Y + 1,
        "pred": GUESS + 1,
        **{f"{word}_{k}": np.random.default_rng(k).integers(1, 6, N) for k in (1, 2, 3)},
    }
    found = read(cells)
    assert found.predictions.log_p is None and any("hold whole numbers, not probabilities" in note for note in found.notes)
    percent = (100 * P).round().astype(int)
    percent[:, 0] += 100 - percent.sum(1)
    with pytest.raises(InputError, match="is not a probability"):
        read({**cells, **{f"{word}_{k + 1}": percent[:, k] for k in range(3)}})


@pytest.mark.parametrize("labelled", [True, False])
def test_zeros_and_ones_are_predicted_labels(labelled):
    hard = np.eye(3)[P.argmax(1)]
    label = {"pred": NAMES[P.argmax(1)]} if labelled else {}
    found = read({"truth": NAMES[Y], **label, **{f"p_{name}": hard[:, k] for k, name in enumerate(NAMES)}})
    assert found.predictions.log_p is None and (found.predictions.predicted == P.argmax(1)).all()
    assert any("0 and 1 alone" in note for note in found.notes)


@pytest.mark.parametrize("name", ["prob", "confidence", "probability"])
def test_the_probability_of_the_true_class_is_not_used(name):
    y, p = network()
    guess = p.argmax(1)
    assert (guess != y).sum() > 2
    found = read({"y_true": y, "y_pred": guess, name: p[np.arange(N), y]})
    assert found.predictions.log_p is None and any("as that of the true class" in note for note in found.notes)
    assert read({"y_true": y, "y_pred": guess, name: p.max(1)}).predictions.log_p is not None


@pytest.mark.parametrize("name", ["prediction", "predictions", "y_pred"])
def test_shares_called_like_predicted_labels_are_none_beside_others(name):
    y, p = network()
    cells = {"y_true": y, name: p[:, 1], "pred_label": p.argmax(1)}
    found = read(cells)
    assert (found.predictions.predicted == p.argmax(1)).all()
    assert any(f"Not used: the column '{name}'" in note for note in found.notes)
    assert area(read(cells, f"probability={name}")) == pytest.approx(area(read({"y_true": y, "y_prob": p[:, 1]})))
    copy = {"y_true": y, name: p[:, 1], "label": y}
    with pytest.raises(InputError, match="is not a label such as|it may not hold the predicted labels"):
        read(copy)


@pytest.mark.parametrize("name", ["video", "image", "path", "clip"])
def test_a_class_may_be_called_like_a_file(name):
    names = np.array([name, "dog", "hen"])
    found = read({"truth": names[Y], "pred": names[GUESS], **{one: P[:, k] for k, one in enumerate(names)}})
    assert found.files is None and found.predictions.log_p is not None


SPELLINGS = [("New York", "New_York"), ("T-shirt", "t shirt"), ("ankle-boot", "AnkleBoot"), ("a;b", "b;a"), ("x|y", "Y|X")]


@pytest.mark.parametrize("pair", [*SPELLINGS, *((b, a) for a, b in SPELLINGS)])
def test_one_class_in_two_spellings_is_refused(pair):
    true, predicted = (np.array([one, "dog", "hen"]) for one in pair)
    cells = {"truth": true[Y], "pred": predicted[GUESS]}
    with pytest.raises(InputError, match="they may be one class"):
        read(cells)
    assert len(read(cells, "truth=truth", "label=pred").predictions.outputs) == 4
    both = {"truth": [*true[Y], pair[1]], "pred": [*predicted[GUESS], "dog"]}
    assert len(read(both).predictions.outputs) == 4


@pytest.mark.parametrize("pair", list(pairwise(["1-2", "12", "1 2 3", "-12"])))
def test_numbers_with_joints_are_several_classes(pair):
    true, predicted = (np.array([one, "dog", "hen"]) for one in pair)
    assert len(read({"truth": true[Y], "pred": predicted[GUESS]}).predictions.outputs) == 4


@pytest.mark.parametrize(
    "names",
    [
        "y_true,y_pred_class",
        "y_true,y_pred_label",
        "y_true,y_pred_binary",
        "targets,preds",
        "targets,outputs",
        "actuals,predictions",
        "y_true_label,y_pred_label",
        "True Value,Predicted Value",
        "true_idx,pred_idx",
        "true_name,pred_name",
        "species,predicted_species",
        "true_intent,pred_intent",
        "Sentiment,Prediction Sentiment",
    ],
)
@pytest.mark.parametrize("turned", [True, False])
def test_names_of_both_labels(names, turned):
    true, predicted = names.split(",")
    cells = {true: NAMES[Y], predicted: NAMES[GUESS], "age": np.arange(N)}
    found = read(dict(reversed(cells.items())) if turned else cells).predictions
    assert (found.y == Y).all() and (found.predicted == GUESS).all()


def test_several_columns_with_a_predicted_one_are_not_one_of_them():
    """As labels of several things in one table."""
    cells = {"red": Y == 1, "round": Y == 2, "pred_red": GUESS == 1, "pred_round": GUESS == 2}
    with pytest.raises(InputError, match="has no column of true labels"):
        read(cells)


@pytest.mark.parametrize("name", ["score", "confidence", "prob"])
def test_numbers_that_are_no_probabilities_of_two_words_are_not_used(name):
    y, p = network()
    words = np.array(["cat", "dog"])
    noise = np.random.default_rng(5).random(N).round(3)
    found = read({"y_true": words[y], "y_pred": words[p.argmax(1)], name: noise})
    assert found.predictions.log_p is None and any(f"'{name}' is not used" in note for note in found.notes)
    with pytest.raises(InputError, match="cannot be the probability"):
        read({"y_true": words[y], "y_pred": words[p.argmax(1)], name: noise}, f"probability={name}")


@pytest.mark.parametrize("positive", ["cat", "dog"])
@pytest.mark.parametrize("named", [True, False])
def test_the_class_that_has_a_probability_is_the_positive_one(positive, named):
    """By the name of the column, or since the labels follow from a threshold of it."""
    y, p = network()
    words = np.array(["dog", "cat"] if positive == "cat" else ["cat", "dog"])
    column = {f"prob_{positive}": p[:, 1]} if named else {"y_prob": p[:, 1]}
    found = read({"truth": words[y], "pred": words[p.argmax(1)], **column}).predictions
    assert found.outputs[1] == positive and (found.y == y).all()
    assert np.exp(found.log_p[:, 1]) == pytest.approx(p[:, 1])


def test_conf_is_the_probability_of_the_predicted_label():
    y, p = network()
    found = read({"y_true": y, "y_pred": p.argmax(1), "conf": p.max(1)})
    assert area(found) == pytest.approx(area(read({"y_true": y, "y_prob": p[:, 1]})))


@pytest.mark.parametrize("name", ["class", "label", "Class name"])
@pytest.mark.parametrize("kind", ["labels", "classes", "both"])
def test_a_class_of_something_else_is_not_the_predicted_label(name, kind):
    """As the class of a ticket beside labels of another kind."""
    y, p = network()
    label = {} if kind == "classes" else {"predictions": p.argmax(1)}
    of_classes = {} if kind == "labels" else {"prob_0": p[:, 0], "prob_1": p[:, 1]}
    found = read({"y_true": y, **label, **of_classes, name: np.array(["first", "second"])[np.arange(N) % 2]})
    assert (found.predictions.predicted == p.argmax(1)).all() and name in found.metadata
