"""Suspected labels: the confident joint by brute force, planted errors, and how many suspects are right after all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.evaluation.label_errors import label_errors, margins, thresholds


def made(seed: int, n: int = 60, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels drawn by them."""
    source = np.random.default_rng(seed)
    p = source.dirichlet(np.full(k, 0.5), n)
    return p, np.array([source.choice(k, p=row) for row in p])


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_definition_by_loops(seed: int):
    """Northcutt et al. 2021, equations 1 to 3, example by example."""
    p, y = made(seed)
    k = p.shape[1]
    t = [np.mean([p[i, j] for i in range(len(y)) if y[i] == j]) if (y == j).any() else np.inf for j in range(k)]
    assert thresholds(p, y) == pytest.approx(t)
    joint = np.zeros((k, k))
    suspected = {}
    for i in range(len(y)):
        able = [j for j in range(k) if p[i, j] >= t[j] - 1e-12]
        if able:
            best = max(able, key=lambda j: p[i, j])
            joint[y[i], best] += 1
            if best != y[i] and p[i, y[i]] < max(p[i]):
                suspected[i] = best
    found = label_errors(p, y)
    assert dict(zip(found.indices.tolist(), found.suggested.tolist(), strict=True)) == suspected
    estimated = sum((y == j).sum() * (1 - joint[j, j] / joint[j].sum()) for j in range(k) if joint[j].sum())
    assert found.estimated == pytest.approx(estimated)
    by_hand = [p[i, y[i]] - max(p[i, j] for j in range(k) if j != y[i]) for i in range(len(y))]
    assert margins(p, y) == pytest.approx(by_hand)
    assert (np.diff(found.score) >= 0).all()


def test_planted_errors_are_the_first_suspects():
    source = np.random.default_rng(3)
    truth = source.integers(0, 3, 600)
    p = 0.94 * np.eye(3)[truth] + 0.02
    y = truth.copy()
    wrong = source.choice(600, 30, replace=False)
    y[wrong] = (y[wrong] + 1) % 3
    found = label_errors(p, y)
    assert set(found.indices) == set(wrong) and (found.suggested == truth[found.indices]).all()
    assert found.estimated == pytest.approx(30, abs=1e-9)
    assert found.right < 6


@pytest.mark.parametrize("rate", [0.05, 0.15])
def test_how_many_suspects_are_right_is_expected_as_it_is(rate: float):
    """Of networks that know the true probabilities, and how often each class is labelled as another."""
    found, truly = 0.0, 0
    k = 3
    noise = np.full((k, k), rate / (k - 1)) + (1 - rate - rate / (k - 1)) * np.eye(k)
    for seed in range(12):
        source = np.random.default_rng(seed)
        clean = source.dirichlet(np.full(k, 0.08), 1500)
        truth = np.array([source.choice(k, p=row) for row in clean])
        y = np.array([source.choice(k, p=noise[:, label]) for label in truth])
        suspects = label_errors(clean @ noise.T, y)
        found, truly = found + suspects.right, truly + int((truth == y)[suspects.indices].sum())
    assert truly > 50 and found == pytest.approx(truly, rel=0.3)


def test_no_label_is_suspected_where_all_agree():
    y = np.arange(30) % 3
    found = label_errors(np.eye(3)[y] * 0.98 + 0.02 / 3, y)
    assert not len(found.indices) and found.estimated == 0
