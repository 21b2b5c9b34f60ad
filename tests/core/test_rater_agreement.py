"""Agreement of raters against Shrout and Fleiss, brute force and what is known of made-up raters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as peer

from dlcli.core.rater_agreement import ceiling, intraclass
from dlcli.specs.estimates import Estimate, PointEstimate

_TARGETS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=np.float64)
"""Table 2 of Shrout and Fleiss (1979); the correlations are those of their table 4."""


def ratings(n=60, raters=5, noise=1.0, missing=0.0, seed=0):
    random = np.random.default_rng(seed)
    table = random.normal(size=(n, 1)) + noise * random.normal(size=(n, raters))
    table[random.random(table.shape) < missing] = np.nan
    return table


def test_intraclass_correlations_are_those_of_shrout_and_fleiss():
    assert intraclass(_TARGETS) == pytest.approx((0.17, 0.29, 0.71, 0.44, 0.62, 0.91), abs=0.005)


def brute_force(table):
    """One against the rest and the mean correlation of pairs, rater by rater."""
    against, pairs = [], []
    raters = table.shape[1]
    for r in range(raters):
        rest = np.delete(table, r, axis=1)
        rows = ~np.isnan(table[:, r]) & ~np.isnan(rest).all(1)
        mean = np.nanmean(rest[rows], axis=1)
        against.append((peer.spearmanr(table[rows, r], mean).statistic, peer.pearsonr(table[rows, r], mean).statistic))
        for s in range(r):
            both = ~np.isnan(table[:, [r, s]]).any(1)
            pairs.append(peer.pearsonr(table[both, r], table[both, s]).statistic)
    return np.mean(against, axis=0), np.mean(pairs)


@given(st.integers(2, 6), st.sampled_from([0.0, 0.3]), st.integers(0, 9))
def test_figures_are_those_of_brute_force(raters, missing, seed):
    table = ratings(raters=raters, missing=missing, seed=seed) * 3 + 100
    found, (against, pair) = ceiling(table), brute_force(table)
    counts = (~np.isnan(table)).sum(1)
    k = 1 / np.mean(1 / counts[counts > 0])
    assert found is not None
    assert found.raters == raters and found.ratings_per_example == pytest.approx(k)
    assert [one.value for one in found.one_against_rest.values()] == pytest.approx(list(against))
    assert found.mean_reliability.value == pytest.approx(k * pair / (1 + (k - 1) * pair))
    assert (found.icc_mean is None) == (found.icc_single is None) == bool(missing)


def test_intervals_are_those_of_leaving_examples_out():
    table = ratings(missing=0.2)
    found = ceiling(table)
    left = np.arctanh([brute_force(np.delete(table, i, axis=0))[0] for i in range(60)])
    spread = left.std(0) * 59**0.5
    assert found is not None
    for one, error in zip(found.one_against_rest.values(), spread, strict=True):
        assert np.arctanh(one.high) - np.arctanh(one.low) == pytest.approx(2 * 2.0 * error, rel=0.15)
        assert one.low < one.value < one.high


def test_raters_that_cannot_be_compared_do_not_count():
    table = ratings()
    found = ceiling(table)
    few, constant = np.full((60, 1), np.nan), np.full((60, 1), 4.0)
    few[:9] = 3.0
    again = ceiling(np.hstack([table, few]))
    assert found is not None and again is not None
    assert again.mean_reliability.value == pytest.approx(found.mean_reliability.value, abs=0.02)
    assert ceiling(table[:, :1]) is None
    assert ceiling(np.hstack([table[:, :1], constant])) is None
    assert ceiling(np.full((60, 3), np.nan)) is None
    apart = np.full((60, 2), np.nan)
    apart[:30, 0] = apart[30:, 1] = np.arange(30)
    assert ceiling(apart) is None


def test_groups_of_copies_are_no_more_evidence():
    table = ratings()
    once, often = ceiling(table), ceiling(np.repeat(table, 4, axis=0), np.repeat(np.arange(60), 4))
    assert once is not None and often is not None
    for one, other in zip(once.one_against_rest.values(), often.one_against_rest.values(), strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
    few = ceiling(table, np.arange(60) // 20)
    assert few is not None and few.mean_reliability.why == "3 groups"


def test_raters_without_agreement_are_not_reliable():
    found = ceiling(np.random.default_rng(5).normal(size=(300, 4)))
    assert found is not None and isinstance(found.mean_reliability, Estimate)
    assert 0 <= found.mean_reliability.low <= found.mean_reliability.value < 0.25
    against = ceiling(np.hstack([ratings(), -ratings()]))
    assert against is not None and against.mean_reliability.value == 0


def test_equal_raters_agree_perfectly():
    found = ceiling(np.repeat(ratings(raters=1), 3, axis=1))
    assert found is not None
    assert all(one.value == pytest.approx(1) for one in (*found.one_against_rest.values(), found.mean_reliability))
    assert isinstance(found.one_against_rest["spearman"], PointEstimate)


@pytest.mark.parametrize("table", [np.zeros(5), np.full((20, 2), np.inf)])
def test_what_is_no_table_of_ratings_is_refused(table):
    with pytest.raises(ValueError, match="table of ratings"):
        ceiling(table)
