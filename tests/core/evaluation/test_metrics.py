"""Metrics against scikit-learn, brute force and closed forms."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dlcli.core.evaluation import metrics
from dlcli.core.proportion import proportion
from dlcli.specs.estimates import flat

peer = pytest.importorskip("sklearn.metrics")


@st.composite
def scored(draw):
    """Logits (n, k) without ties, and labels."""
    k, n, seed = draw(st.integers(2, 7)), draw(st.integers(2, 30)), draw(st.integers(0, 10_000))
    random = np.random.default_rng(seed)
    return random.normal(size=(n, k)) * draw(st.sampled_from([0.1, 1, 10])), random.integers(k, size=n)


@given(scored(), st.integers(1, 6))
def test_top_k_is_sklearns(case, k):
    logits, y = case
    classes = logits.shape[1]
    k = min(k, classes - 1)
    found = metrics.top_k(logits, y, k)
    if classes == 2:
        assert found.value == pytest.approx((logits.argmax(1) == y).mean())
    else:
        assert found.value == pytest.approx(peer.top_k_accuracy_score(y, logits, k=k, labels=range(classes)))
    assert found.low <= found.value <= found.high and found.n == len(y)


@given(arrays(np.float64, (5, 4), elements=st.sampled_from([0.0, 1.0, 2.0])), st.integers(1, 4))
def test_ties_go_to_the_lower_output(scores, k):
    wanted = [sorted(range(4), key=lambda j: (-row[j], j))[:k] for row in scores]
    assert metrics.ranking(scores, k).tolist() == wanted


@given(scored())
def test_the_confusion_matrix_is_sklearns(case):
    logits, y = case
    k, predicted = logits.shape[1], logits.argmax(1)
    found = metrics.confusion(predicted, y, k, k)
    assert found.tolist() == peer.confusion_matrix(y, predicted, labels=range(k)).tolist()
    for label, one in enumerate(metrics.class_accuracies(predicted, y, k)):
        of_class = y == label
        if of_class.any():
            assert (one.value, one.n) == (pytest.approx((predicted[of_class] == label).mean()), of_class.sum())
        else:
            assert one is None


def test_more_outputs_than_classes():
    assert metrics.confusion(np.array([0, 3, 3]), np.array([0, 0, 1]), 2, 4).tolist() == [[1, 0, 0, 1], [0, 0, 0, 1]]


@given(scored())
def test_log_loss_and_brier_are_sklearns(case):
    logits, y = case
    log_p = metrics.log_probabilities(np.clip(logits, -9, 9))  # scikit-learn rounds smaller probabilities up
    p = np.exp(log_p)
    assert p.sum(1) == pytest.approx(1)
    assert metrics.negative_log_likelihood(log_p, y, seed=0).value == pytest.approx(
        peer.log_loss(y, p, labels=range(p.shape[1]))
    )
    assert metrics.brier(log_p, y).value == pytest.approx(((p - np.eye(p.shape[1])[y]) ** 2).sum(1).mean())


def test_closed_forms_of_a_network_that_knows_nothing():
    log_p = metrics.log_probabilities(np.zeros((80, 4), dtype=np.float32))
    nll, brier = metrics.negative_log_likelihood(log_p, np.arange(80) % 4, seed=0), metrics.brier(log_p, np.arange(80) % 4)
    assert (nll.value, nll.low, nll.high) == pytest.approx((log(4),) * 3)
    assert brier.value == pytest.approx(0.75)


def test_the_brier_score_of_answers_that_are_all_or_nothing_is_twice_a_share():
    log_p = metrics.log_probabilities(np.repeat([[1e6, 0.0]], 80, axis=0))
    found, half = metrics.brier(log_p, np.arange(80) % 4 // 3), proportion(20, 80)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 2 * half.low, 2 * half.high))


def test_the_brier_score_of_a_calibrated_network_is_known_better_than_a_share():
    random = np.random.default_rng(0)
    p = random.uniform(0.2, 0.8, 400)
    found = metrics.brier(np.log(np.stack([1 - p, p], axis=1)), (random.random(400) < p).astype(np.int64))
    share = proportion(200 * found.value, 400)
    assert found.high - found.low < 0.7 * 2 * (share.high - share.low)


@pytest.mark.parametrize(
    ("mistakes", "expected", "why"),
    [(0, 20, "0 mistakes"), (1, 20, "1 mistake"), (4, 20, "4 mistakes"), (5, 20, ""), (40, 4, "40 mistakes, 4.0 expected")],
)
def test_the_log_loss_of_a_few_mistakes_has_no_interval(mistakes: int, expected: float, why: str):
    """Those that are made, and those that the probabilities expect."""
    y = np.ones(500, np.int64)
    y[:mistakes] = 0
    log_p = np.tile(np.log([expected / 500, 1 - expected / 500]), (500, 1))
    found = metrics.negative_log_likelihood(log_p, y, seed=0)
    assert (found.low is not None) == (found.high is not None) == (not why)
    if why:
        assert str(found).endswith(f"(no interval: {why})")
        assert flat("nll", found) == {"nll": found.value, "nll_low": None, "nll_high": None}


def test_that_there_is_an_interval_does_not_tell_of_a_high_log_loss():
    """Ten mistakes are made and expected; where five are needed, nearly all samples have an interval, and 93% of these hold."""
    random, held = np.random.default_rng(0), []
    p = np.linspace(0.6, 1 - 1e-9, 50)
    truth = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()
    for _ in range(300):
        right = random.random(50) < p
        found = metrics.negative_log_likelihood(np.log(np.stack([1 - p, p], axis=1)), right.astype(np.int64), seed=0)
        if found.low is not None:
            held.append(found.low <= truth <= found.high)
    assert len(held) > 280
    assert np.mean(held) > 0.93 - 3 * (0.05 * 0.95 / len(held)) ** 0.5


def test_groups_with_a_mistake_count_not_mistakes():
    y, group = np.zeros(600, np.int64), np.arange(600) // 20
    log_p = metrics.log_probabilities(np.where(np.arange(600)[:, None] % 3 == 0, [0.0, 2.0], [2.0, 0.0]))
    assert metrics.negative_log_likelihood(log_p, y, group, seed=0).low is not None
    assert metrics.negative_log_likelihood(log_p[:580], y[:580], group[:580], seed=0).low is None


def test_huge_logits_stay_finite():
    log_p = metrics.log_probabilities(np.array([[3e38, -3e38], [0.0, 1.0]], dtype=np.float32))
    assert np.isfinite(metrics.negative_log_likelihood(log_p, np.array([1, 1]), seed=0).value)
    assert metrics.brier(log_p, np.array([1, 1])).value <= 2


@given(arrays(np.float64, 12, elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])), arrays(np.bool_, 12))
def test_auc_is_sklearns_and_inside_its_interval(scores, positive):
    found = metrics.auc(scores, positive)
    if positive.all() or not positive.any():
        assert found is None
        return
    assert found.value == pytest.approx(peer.roc_auc_score(positive, scores))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert metrics.auc(-scores, positive).low == pytest.approx(1 - found.high)


def test_infinite_log_odds_have_the_interval_of_large_ones():
    """Of either kind as many are minus as plus infinity, so that the median of one kind lies between them."""
    scores, positive = np.repeat([np.inf, -np.inf, np.inf, -np.inf], [5, 5, 2, 8]), np.arange(20) < 10
    assert metrics.auc(scores, positive) == metrics.auc(np.clip(scores, -50, 50), positive)


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
def test_of_many_examples_the_interval_of_auc_is_delongs(spread):
    """The variances of the components, by comparing every positive example with every negative one."""
    random, positive = np.random.default_rng(0), np.arange(1500) < 300
    scores = np.round(np.where(positive, spread * random.normal(size=1500) + 1, random.normal(size=1500)), 2)
    above = np.sign(scores[positive][:, None] - scores[~positive]) / 2 + 0.5
    variance = above.mean(1).var(ddof=1) / 300 + above.mean(0).var(ddof=1) / 1200
    found = metrics.auc(scores, positive)
    assert found.high - found.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.03)


def test_perfect_order_is_no_certainty():
    found = [metrics.auc(np.arange(10.0 * k), np.arange(10 * k) >= 4 * k) for k in (1, 3, 10)]
    assert all((one.value, one.high) == (1, 1) for one in found)
    assert found[0].low < 0.8 < found[1].low < found[2].low < 1


def test_one_misordered_pair_does_not_narrow_the_interval():
    """Of 20 positives above 980 negatives one is moved below one negative."""
    scores, positive = np.arange(1000.0), np.arange(1000) >= 980
    perfect = metrics.auc(scores, positive)
    scores[980] = 978.5
    assert metrics.auc(scores, positive).low == pytest.approx(perfect.low, abs=0.002) and perfect.low < 0.93
