"""Figures of classes equal scikit-learn's, and their intervals hold the figures they should."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn import metrics as sklearn

from dlcli.core.evaluation.class_metrics import class_metrics
from dlcli.core.evaluation.confusion_figures import FEWEST, OF_CELLS, confusion_figures
from dlcli.core.evaluation.ranked import rank
from dlcli.core.proportion import proportion
from dlcli.specs.estimates import Estimate, PointEstimate

CASES = st.tuples(st.integers(2, 6), st.integers(1, 60), st.integers(0, 2**32 - 1), st.floats(0, 4), st.booleans())


def drawn(case: tuple[int, int, int, float, bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and log-probabilities: with ties, and with classes that have no examples or no predictions."""
    classes, n, seed, strength, tied = case
    random = np.random.default_rng(seed)
    y = random.integers(random.integers(1, classes + 1), size=n)
    logits = random.normal(size=(n, classes)) + strength * np.eye(classes)[y]
    log_p = log_softmax(np.round(logits) if tied else logits, axis=1)
    return y, log_p.argmax(1), log_p


@settings(max_examples=150)
@given(CASES)
def test_figures_of_classes_are_those_of_scikit_learn(case):
    y, predicted, log_p = drawn(case)
    classes = log_p.shape[1]
    found = class_metrics(y, predicted, range(classes), log_p=log_p)
    known = sklearn.precision_recall_fscore_support(y, predicted, labels=range(classes), zero_division=np.nan)
    for k, one in enumerate(found.classes):
        for figure, value in zip((one.precision, one.recall, one.f1), known[:3], strict=False):
            if figure is None:
                assert np.isnan(value[k])
            else:
                assert figure.value == pytest.approx(value[k], abs=1e-12) and figure.low <= figure.value <= figure.high
        positive = y == k
        if positive.any() and not positive.all():
            assert one.auc.value == pytest.approx(sklearn.roc_auc_score(positive, log_p[:, k]), abs=1e-12)
            assert one.ap.value == pytest.approx(sklearn.average_precision_score(positive, log_p[:, k]), abs=1e-12)
            assert 0 <= one.ap.low <= one.ap.value <= one.ap.high <= 1 and one.auc.low <= one.auc.value <= one.auc.high
        else:
            assert one.auc is None and one.ap is None
    if found.means:
        parts = [one for one in found.classes if one.auc]
        assert found.means["macro-auc"].value == pytest.approx(np.mean([one.auc.value for one in parts]), abs=1e-12)
        assert found.means["macro-ap"].value == pytest.approx(np.mean([one.ap.value for one in parts]), abs=1e-12)


@settings(max_examples=150)
@given(CASES)
def test_figures_of_the_whole_matrix_are_those_of_scikit_learn(case):
    y, predicted, _ = drawn(case)
    found = {name: one.value for name, one in confusion_figures(y, predicted).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are predicted only
        known = {
            "balanced-accuracy": sklearn.balanced_accuracy_score(y, predicted),
            "macro-precision": sklearn.precision_score(y, predicted, average="macro", zero_division=0),
            "macro-f1": sklearn.f1_score(y, predicted, average="macro", zero_division=0),
            "mcc": sklearn.matthews_corrcoef(y, predicted),
        }
    assert found == pytest.approx(known, abs=1e-12)


@settings(max_examples=40)
@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_influences_are_derivatives(classes: int, seed: int):
    """By a small difference: one more millionth of an example in a cell, or at a score."""
    random = np.random.default_rng(seed)
    cells = random.integers(1, 30, size=(classes, classes)).astype(float)
    small = 1e-6
    for figure in OF_CELLS.values():
        for a in range(classes):
            for b in range(classes):
                moved = cells.copy()
                moved[a, b] += small
                slope = (figure(moved).value - figure(cells).value) / small
                assert figure(cells).influence[a, b] == pytest.approx(slope, abs=1e-6)
    scores, positive = np.round(random.normal(size=20), 1), np.arange(20) < 7
    ranking = rank(scores, positive)
    for name in ("auc", "average_precision"):
        value, influence = getattr(ranking, name)()
        assert influence.sum() == pytest.approx(0, abs=1e-12)
        for k in range(20):
            hits, every = ranking.hits.copy(), ranking.all.copy()
            every[ranking.tie[k]] += small
            hits[ranking.tie[k]] += small * positive[k]
            slope = (getattr(ranking._replace(hits=hits, all=every), name)().value - value) / small
            assert influence[k] == pytest.approx(slope, abs=1e-5)


def test_groups_of_one_change_nothing_and_groups_of_equals_count_once():
    random = np.random.default_rng(0)
    y = random.integers(3, size=200)
    log_p = log_softmax(random.normal(size=(200, 3)) + 2 * np.eye(3)[y], axis=1)
    alone = confusion_figures(y, log_p.argmax(1))
    single = confusion_figures(y, log_p.argmax(1), np.arange(200))
    many = [part.repeat(4, axis=0) for part in (y, log_p)]
    of_four = confusion_figures(many[0], many[1].argmax(1), np.arange(200).repeat(4))
    pretended = confusion_figures(many[0], many[1].argmax(1))
    for name, one in alone.items():
        width = one.high - one.low
        assert single[name].high - single[name].low == pytest.approx(width, rel=0.01)
        assert of_four[name].high - of_four[name].low == pytest.approx(width, rel=0.05)
        assert pretended[name].high - pretended[name].low == pytest.approx(width / 2, rel=0.05)
    areas, by_group = (
        class_metrics(y, log_p.argmax(1), range(3), log_p=log_p),
        class_metrics(many[0], many[1].argmax(1), range(3), log_p=many[1], group=np.arange(200).repeat(4)),
    )
    for name, one in areas.means.items():
        assert by_group.means[name].high - by_group.means[name].low == pytest.approx(one.high - one.low, rel=0.05)


def test_two_classes_that_are_always_right_have_the_interval_of_the_accuracy():
    y = np.arange(60) % 2
    known = proportion(60, 60)
    for name, one in confusion_figures(y, y).items():
        low = 2 * known.low - 1 if name == "mcc" else known.low
        assert (one.value, one.high) == (1, 1) and one.low == pytest.approx(low, abs=0.02)


def test_a_class_with_few_examples_leaves_no_interval():
    y = np.array([0] * 50 + [1] * 50 + [2] * (FEWEST - 1))
    found = confusion_figures(y, y)
    assert isinstance(found["macro-f1"], PointEstimate) and found["macro-f1"].why == "a class has 9 examples"
    assert not isinstance(found["mcc"], PointEstimate)


@pytest.mark.parametrize("predicted", [True, False])
def test_classes_without_examples_are_in_no_mean_but_those_over_what_is_predicted(predicted: bool):
    """The values of scikit-learn, an interval of balanced accuracy, and the same why for each figure that has none."""
    random = np.random.default_rng(1)
    y = random.integers(3, size=150)
    label = np.where(random.random(150) < 0.8, y, random.integers(4 if predicted else 3, size=150))
    found = confusion_figures(y, label)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = {
            "balanced-accuracy": sklearn.balanced_accuracy_score(y, label),
            "macro-precision": sklearn.precision_score(y, label, average="macro", zero_division=0),
            "macro-f1": sklearn.f1_score(y, label, average="macro"),
        }
    for name, value in truth.items():
        assert found[name].value == pytest.approx(value, abs=1e-12)
        exact = name == "balanced-accuracy" or not predicted
        assert isinstance(found[name], Estimate if exact else PointEstimate)
        assert exact or found[name].why == "a class is predicted that no example is of"
