"""Labels in columns of other names: the table is refused until the columns are named."""

import numpy as np
import pytest

from dlcli.support.errors import InputError
from tests.core.evaluation.test_column_readings import N, network, read


@pytest.mark.parametrize("name", ["estimate", "Found labels", "decision", "guess"])
@pytest.mark.parametrize("cut", [0.2, 0.4, 0.7])
@pytest.mark.parametrize("alone", [True, False])
def test_labels_of_a_threshold_are_not_passed_over_for_the_more_probable_class(name, cut, alone):
    y, p = network()
    label = (p[:, 1] >= cut).astype(int)
    cells = {"target": y, name: label, **({"y_prob": p[:, 1]} if alone else {"p0": p[:, 0], "p1": p[:, 1]})}
    with pytest.raises(InputError, match=f"the predicted labels may be those of '{name}' or the most probable classes"):
        read(cells)
    assert read(cells, f"label={name}").predictions.correct.tolist() == (y == label).tolist()


def test_labels_of_weighted_classes_are_not_passed_over_either():
    y, p = network(5)
    decided = (p * [1, 1.3, 0.8, 1.2, 1]).argmax(1)
    cells = {"y_true": y, "decided": decided, **{f"p_{k}": p[:, k] for k in range(5)}}
    with pytest.raises(InputError, match="the predicted labels may be those of 'decided'"):
        read(cells)
    assert read({**cells, "decided": np.random.default_rng(0).integers(5, size=N)}).predictions.log_p is not None


@pytest.mark.parametrize("label", ["label", "class_name"])
@pytest.mark.parametrize("copy", [True, False])
def test_a_label_beside_another_column_of_its_classes_may_be_a_copy_or_of_a_rater(label, copy):
    names = np.array(["cat", "dog", "hen"])
    y, p = network(3)
    rater = y if copy else np.where(np.arange(N) % 5 == 0, (y + 1) % 3, y)
    cells = {"true_label": names[y], label: names[rater], "guess": names[p.argmax(1)]}
    with pytest.raises(InputError, match=f"the predicted labels may be those of 'guess' or those of '{label}'"):
        read(cells)
    assert read(cells, "label=guess").predictions.correct.tolist() == (y == p.argmax(1)).tolist()
    probable = {"true_label": names[y], label: names[p.argmax(1)], **{f"p_{one}": p[:, k] for k, one in enumerate(names)}}
    assert read({**probable, "guess": names[rater[::-1]]}).predictions.correct.tolist() == (y == p.argmax(1)).tolist()


@pytest.mark.parametrize("classes", [2, 3])
def test_the_class_that_an_attack_aims_at_is_not_the_true_one(classes):
    y, p = network(classes)
    names = np.array(["cat", "dog", "hen"])
    cells = {"original_class": names[y], "target_class": names[(y + 1) % classes], "predicted_class": names[p.argmax(1)]}
    with pytest.raises(InputError, match="the true labels may be those of 'original_class' or those of 'target_class'"):
        read(cells)
    assert read(cells, "truth=original_class").predictions.correct.tolist() == (y == p.argmax(1)).tolist()


def test_a_column_that_is_called_like_a_class_beside_another_probability_is_refused_without_predicted_labels():
    y, p = network()
    noise = np.random.default_rng(0).random(N).round(3)
    cells = {"y_true": y, "y_prob": p[:, 1], "score_1": noise}
    with pytest.raises(InputError, match="the probability may be that of 'score_1' or of 'y_prob'"):
        read(cells)
    label = (p[:, 1] >= 0.6).astype(int)
    found = read({**cells, "y_pred": label})
    assert np.exp(found.predictions.log_p[:, 1]) == pytest.approx(p[:, 1])


def test_the_two_highest_probabilities_are_not_those_of_classes_1_and_2():
    y, p = network()
    cells = {"y_true": y + 1, "y_pred": p.argmax(1) + 1, "prob_1": p.max(1), "prob_2": (1 - p.max(1)).round(9)}
    with pytest.raises(InputError, match="those of ranks|is not the most probable class"):
        read(cells)


@pytest.mark.parametrize("column", ["p_true", "true_prob"])
def test_the_probability_of_the_true_class_is_not_that_of_the_class_true(column):
    words = np.array(["False", "True"])
    y, p = network()
    assert (p.argmax(1) != y).any()
    cells = {"y_true": words[y], "y_pred": words[p.argmax(1)], column: p[np.arange(N), y]}
    with pytest.raises(InputError, match="as that of the true class|below a threshold|is not the most probable"):
        read(cells)


@pytest.mark.parametrize("name", ["prob", "y_score", "confidence"])
def test_a_high_threshold_from_which_both_readings_follow_is_refused(name):
    p = np.array([0.6, 0.7, 0.65, 0.3, 0.9, 0.95, 0.92])
    cells = {"y_true": [0, 0, 1, 0, 1, 1, 0], "y_pred": (p > 0.8).astype(int), name: p}
    with pytest.raises(InputError, match="the probability may be that of"):
        read(cells)
