"""Diversity against counting pair by pair, and where it is known by construction."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dlcli.core.ensembles.diversity import disagreement, error_correlation

labels = st.integers(2, 6).flatmap(lambda m: arrays(np.int64, (m, 9), elements=st.integers(0, 3)))


@given(labels)
def test_disagreement_is_the_mean_over_all_pairs(found: np.ndarray):
    pairs = [(a != b).mean() for a, b in combinations(found, 2)]
    one = disagreement(found)
    assert one.value == pytest.approx(np.mean(pairs)) and one.low <= one.value <= one.high and one.n == 9


@given(labels)
def test_correlation_is_the_mean_over_pairs_where_it_is_defined(found: np.ndarray):
    wrong = found == 0
    pairs = [np.corrcoef(a, b)[0, 1] for a, b in combinations(wrong, 2) if 0 < a.sum() < 9 and 0 < b.sum() < 9]
    mean = error_correlation(wrong)
    assert (mean and mean.value) == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_equal_members_and_opposite_members():
    row = np.array([0, 1, 1, 0])
    assert disagreement(np.stack([row, row, row])).value == 0
    assert error_correlation(np.stack([row, row]) == 1).value == pytest.approx(1)
    assert disagreement(np.stack([row, 1 - row])).value == 1
    opposite = error_correlation(np.stack([row, 1 - row]) == 1)
    assert opposite.value == pytest.approx(-1) and opposite.low is None and opposite.why == "opposite errors"


def test_the_interval_of_two_members_is_the_jackknifes():
    """The influence of an example, against what the correlation is without it."""
    random = np.random.default_rng(0)
    hard = random.random(300) < 0.2
    wrong = np.stack([random.random(300) < np.where(hard, 0.7, 0.05) for _ in range(3)])
    found = error_correlation(wrong)
    without = np.array([error_correlation(np.delete(wrong, k, axis=1)).value for k in range(300)])
    error = (299 / 300 * ((without - without.mean()) ** 2).sum()) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_intervals_hold_the_truth():
    """Two members with errors in 10% whose errors correlate by 0.5, and differ on 9% of the images."""
    random, hits, runs = np.random.default_rng(1), np.zeros(2), 400
    for _ in range(runs):
        wrong = random.random((2, 500)) < 0.1
        wrong[1] = np.where(random.random(500) < 0.5, wrong[0], wrong[1])
        for k, (one, truth) in enumerate(((error_correlation(wrong), 0.5), (disagreement(wrong.astype(int)), 0.09))):
            hits[k] += one.low <= truth <= one.high
    assert (hits >= 0.93 * runs - 3 * (0.93 * 0.07 * runs) ** 0.5).all()
