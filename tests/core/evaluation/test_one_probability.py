"""A column of one probability that can hardly be that of the predicted labels is not used; what can be is, however low."""

import numpy as np
import pytest

from dlcli.core.evaluation.prediction_files import PredictionTable, read_predictions
from dlcli.support.read_tables import parse_table

NAMES = ["probability", "confidence", "score", "p", "y_score", "prob"]


def read(y, label, column: str, p, *named: str, digits: int = 6) -> PredictionTable:
    rows = [f"{a},{b},{c:.{digits}f}" for a, b, c in zip(y, label, p, strict=True)]
    return read_predictions(parse_table("given.csv", f"y_true,y_pred,{column}\n{chr(10).join(rows)}\n".encode()), named)


def networks(classes: int, n: int, sharp: float):
    """True labels, predicted ones and their probabilities."""
    random = np.random.default_rng(classes + n)
    p = random.dirichlet(np.full(classes, sharp), n)
    y = np.array([random.choice(classes, p=row) for row in p])
    return y, p.argmax(1), p.max(1)


def not_used(found: PredictionTable, column: str) -> bool:
    return any(note.startswith(f"The column '{column}' is not used: in ") for note in found.notes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [3, 10])
@pytest.mark.parametrize("low", [1, 300])
def test_what_no_highest_of_the_probabilities_can_be_is_not_used_until_it_is_named(name, classes, low):
    """As that of the true class, or a measure of quality."""
    y, label, p = networks(classes, 300, 0.3)
    p[:low] = np.linspace(0, 0.5 / classes, low)
    found = read(y, label, name, p)
    assert found.predictions.confidence is None and not_used(found, name)
    assert found.predictions.correct.tolist() == (y == label).tolist()
    named = read(y, label, name, p, f"probability={name}")
    assert named.predictions.confidence == pytest.approx(p, abs=1e-6) and not not_used(named, name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("classes", "n"), [(3, 10), (10, 60), (10, 1000), (100, 50), (1000, 20), (1000, 200), (1000, 1500)])
@pytest.mark.parametrize("sharp", [0.1, 30.0])
@pytest.mark.parametrize("digits", [2, 6])
def test_what_can_be_is_used(name, classes, n, sharp, digits):
    """Also of networks that have learned little, and where few of their classes occur."""
    y, label, p = networks(classes, n, sharp)
    y[0] = label[0]  # one answer is right at least
    found = read(y, label, name, p, digits=digits)
    assert found.predictions.confidence == pytest.approx(p, abs=0.6 * 10.0**-digits) and not not_used(found, name)
    told = [note for note in found.notes if f"'{name}' is taken for the probability" in note]
    assert bool(told) == (name in ("score", "p", "y_score"))


@pytest.mark.parametrize("name", ["score", "p", "probability"])
def test_of_two_classes_what_does_not_follow_from_it_is_not_used_until_it_is_named(name):
    y, label, _ = networks(2, 200, 1.0)
    p = np.random.default_rng(5).random(200)
    found = read(y, label, name, p)
    assert found.predictions.log_p is None and found.predictions.confidence is None and not_used(found, name)
    assert read(y, label, name, p, f"probability={name}").predictions.log_p is not None


@pytest.mark.parametrize("cuts", [(0.5, 0.5), (0.1, 0.1), (0.9, 0.9), (0.4, 0.6)])
@pytest.mark.parametrize("of", ["positive", "predicted"])
def test_of_two_classes_what_gave_the_labels_is_used(cuts, of):
    """Thresholds that differ between groups too, if they are near one another."""
    random = np.random.default_rng(2)
    p = random.random(400)
    y, label = (random.random(400) < p).astype(int), (p >= np.resize(cuts, 400)).astype(int)
    found = read(y, label, "p", p if of == "positive" else np.where(label == 1, p, 1 - p))
    assert np.exp(found.predictions.log_p[:, 1]) == pytest.approx(p, abs=1e-6)
