"""Areas of weighted examples against scikit-learn and against copies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logit
from scipy.stats import rankdata
from sklearn import metrics as peer

from dlcli.core.evaluation import areas
from dlcli.core.evaluation.areas import grouped_areas
from dlcli.core.evaluation.metrics import auc
from dlcli.core.evaluation.ranked import begins


@given(
    arrays(np.float64, 14, elements=st.sampled_from([0.1, 0.2, 0.5, 0.9])),
    arrays(np.bool_, 14),
    arrays(np.int64, 14, elements=st.integers(0, 3)),
)
def test_weights_are_scikit_learns(scores, positive, weights):
    """In place of drawing groups, the weights are given: each resample is one that scikit-learn evaluates."""
    if not weights[positive].any() or not weights[~positive].any():
        return
    order = np.argsort(-scores, kind="stable")
    ranked = areas._Ranked(positive[order], np.flatnonzero(begins(scores[order])))
    ((area, precision),) = ranked.areas(weights[order][None].astype(float))
    assert area == pytest.approx(peer.roc_auc_score(positive, scores, sample_weight=weights))
    assert precision == pytest.approx(peer.average_precision_score(positive, scores, sample_weight=weights))


def sample(n: int, seed: int = 0):
    random = np.random.default_rng(seed)
    positive = random.random(n) < 0.4
    return random.normal(size=n) + positive, positive


def test_groups_of_one_have_at_least_the_interval_of_independent_examples():
    scores, positive = sample(400)
    found, usual = grouped_areas(scores, positive, np.arange(400), seed=0), auc(scores, positive)
    assert found.auc.low <= usual.low and usual.high <= found.auc.high
    assert found.auc.high - found.auc.low == pytest.approx(usual.high - usual.low, rel=0.15)
    assert found.ap.low < found.ap.value < found.ap.high


@given(arrays(np.float64, 40, elements=st.sampled_from([-np.inf, -1.0, 2.0, np.inf])), arrays(np.bool_, 40))
def test_infinite_scores_are_equal_as_their_ranks_are(scores, positive):
    """Probabilities that a file rounds to 0 and 1 have infinite log-odds; the order of its rows must not part them."""
    if positive.all() or not positive.any():
        return
    group = np.arange(40) // 5
    found = grouped_areas(scores, positive, group, seed=0)
    order = np.random.default_rng(0).permutation(40)
    mixed = grouped_areas(scores[order], positive[order], group[order], seed=0)
    for one, other in ((found.auc, mixed.auc), (found.ap, mixed.ap)):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-9)
    assert found.auc.value == pytest.approx(peer.roc_auc_score(positive, rankdata(scores)))
    assert found.ap.value == pytest.approx(peer.average_precision_score(positive, rankdata(scores)))


def test_copies_are_no_more_evidence():
    scores, positive = sample(150)
    once = grouped_areas(scores, positive, np.arange(150), seed=0)
    often = grouped_areas(np.tile(scores, 12), np.tile(positive, 12), np.tile(np.arange(150), 12), seed=0)
    for one, other in zip(once, often, strict=True):
        assert other.value == pytest.approx(one.value)
        assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.1)


def test_a_perfect_order_is_bounded_by_the_number_of_groups():
    positive, group = np.arange(600) >= 400, np.arange(600) // 20
    found = grouped_areas(positive.astype(float), positive, group, seed=0)
    assert (found.auc.value, found.ap.value) == (1, 1)
    assert found.auc.low == auc(np.arange(30.0), np.arange(30) >= 20).low
    assert found.ap.low == pytest.approx(10 / (10 + 1.959964**2), abs=1e-6)  # the score interval of 10 of 10 groups
    worst = grouped_areas(-positive.astype(float), positive, group, seed=0).auc
    assert (worst.low, worst.value) == (0, 0) and worst.high == pytest.approx(1 - found.auc.low)


def test_few_groups_or_all_of_a_class_in_one_tell_nothing():
    scores, positive = sample(100)
    few = grouped_areas(scores, positive, np.arange(100) % 4, seed=0)
    assert [(one.low, one.high) for one in few] == [(0, 1), (0, 1)]
    one_has_all = grouped_areas(scores, positive, np.where(positive, 0, np.arange(100) % 9 + 1), seed=0)
    assert (one_has_all.auc.low, one_has_all.auc.high) == (0, 1)


def test_the_jackknife_omits_each_group_once():
    """Against the same interval from scikit-learn's areas of what is left."""
    scores, positive = sample(160)
    group = np.random.default_rng(1).integers(0, 20, 160)
    left = [
        [of(positive[group != g], scores[group != g]) for g in range(20)]
        for of in (peer.roc_auc_score, peer.average_precision_score)
    ]
    found = grouped_areas(scores, positive, group, seed=0)
    for one, others in zip(found, left, strict=True):
        z = np.log(np.array(others) / (1 - np.array(others)))
        half = logit(one.high) - logit(one.value)
        spread = ((z - z.mean()) ** 2).sum() * 19 / 20
        assert 1.96 <= half / spread**0.5 <= 3.2 or one.high == auc(scores, positive).high
