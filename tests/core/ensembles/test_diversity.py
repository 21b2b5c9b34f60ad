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
    assert disagreement(found) == pytest.approx(np.mean(pairs))


@given(labels)
def test_correlation_is_the_mean_over_pairs_where_it_is_defined(found: np.ndarray):
    wrong = found == 0
    pairs = [np.corrcoef(a, b)[0, 1] for a, b in combinations(wrong, 2) if 0 < a.sum() < 9 and 0 < b.sum() < 9]
    mean = error_correlation(wrong)
    assert mean == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_equal_members_and_opposite_members():
    row = np.array([0, 1, 1, 0])
    assert disagreement(np.stack([row, row, row])) == 0 and error_correlation(np.stack([row, row]) == 1) == pytest.approx(1)
    assert disagreement(np.stack([row, 1 - row])) == 1 and error_correlation(np.stack([row, 1 - row]) == 1) == pytest.approx(-1)
