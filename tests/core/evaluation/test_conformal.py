"""Conformal sets beside definitions that loop over examples and classes, and their coverage."""

from math import ceil, inf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import beta

from dlcli.core.evaluation.conformal import FREE, PENALTY, SCORES, Threshold, sets, threshold

METHODS = sorted(SCORES)


def by_definition(name: str, p: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The scores from their definitions, one class after the other."""
    found = np.empty(p.shape)
    for i, row in enumerate(p):
        for k, own in enumerate(row):
            before = [other for j, other in enumerate(row) if other > own or (other == own and j < k)]
            found[i, k] = 1 - own if name == "lac" else sum(before) + own - u[i] * own
            if name == "raps":
                found[i, k] += PENALTY * max(0, len(before) + 1 - FREE)
    return found


def drawn(random: np.random.Generator, n: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels that follow these, at twice the temperature."""
    logits = 2 * random.normal(size=(n, classes))
    p = softmax(logits, axis=1)
    return softmax(2 * logits, axis=1), (p.cumsum(1) > random.random((n, 1))).argmax(1)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.sampled_from(METHODS), st.booleans())
def test_scores_and_sets_by_definition(seed: int, classes: int, name: str, tied: bool):
    random = np.random.default_rng(seed)
    p, y = drawn(random, 30, classes)
    p = np.full_like(p, 1 / classes) if tied else p
    u = random.random(30)
    score = SCORES[name](p, u)
    assert score == pytest.approx(by_definition(name, p, u), abs=1e-12)
    found = threshold(score, y, 0.8)
    assert found.rank == ceil(31 * 0.8) and found.value == sorted(score[i, y[i]] for i in range(30))[found.rank - 1]
    for i, row in enumerate(sets(p, score, found)):
        known = {k for k in range(classes) if score[i, k] <= found.value + 1e-12} | {int(p[i].argmax())}
        assert set(np.flatnonzero(row)) == known


@pytest.mark.parametrize("name", METHODS)
def test_sets_hold_the_true_class_as_often_as_they_say(name: str):
    """Over 400 calibration sets of 60, of an overconfident network: at least the coverage."""
    random, coverage = np.random.default_rng(0), 0.9
    held = []
    for _ in range(400):
        p, y = drawn(random, 160, 5)
        score = SCORES[name](p, random.random(160))
        inside = sets(p[60:], score[60:], threshold(score[:60], y[:60], coverage))
        held.append(inside[np.arange(100), y[60:]].mean())
    error = np.std(held) / sqrt(400)
    assert np.mean(held) >= coverage - 3 * error
    least = Threshold(0.0, 60, ceil(61 * coverage)).least
    assert least == pytest.approx(beta(ceil(61 * coverage), 61 - ceil(61 * coverage)).ppf(0.05))
    if name == "lac":  # of continuous scores it is exact
        assert np.mean(held) <= coverage + 1 / 61 + 3 * error


def test_too_few_examples_give_all_classes():
    p, y = drawn(np.random.default_rng(0), 15, 4)
    found = threshold(SCORES["lac"](p, np.zeros(15)), y, 0.95)
    assert found.value == inf and sets(p, SCORES["lac"](p, np.zeros(15)), found).all()
    p, y = drawn(np.random.default_rng(0), 19, 4)
    assert threshold(SCORES["lac"](p, np.zeros(19)), y, 0.95).value < inf
