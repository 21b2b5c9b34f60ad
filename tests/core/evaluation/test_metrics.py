"""Metrics against scikit-learn, brute force and closed forms."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dlcli.core.evaluation import metrics

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
    for label, one in enumerate(metrics.class_accuracies(found)):
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
    assert metrics.negative_log_likelihood(log_p, y).value == pytest.approx(peer.log_loss(y, p, labels=range(p.shape[1])))
    assert metrics.brier(log_p, y).value == pytest.approx(((p - np.eye(p.shape[1])[y]) ** 2).sum(1).mean())


def test_closed_forms_of_a_network_that_knows_nothing():
    log_p = metrics.log_probabilities(np.zeros((6, 4), dtype=np.float32))
    nll, brier = metrics.negative_log_likelihood(log_p, np.arange(6) % 4), metrics.brier(log_p, np.arange(6) % 4)
    assert (nll.value, nll.low, nll.high) == pytest.approx((log(4),) * 3)
    assert (brier.value, brier.low, brier.high) == pytest.approx((0.75,) * 3)
    assert metrics.negative_log_likelihood(log_p[:1], np.array([0])) is None


def test_huge_logits_stay_finite():
    log_p = metrics.log_probabilities(np.array([[3e38, -3e38], [0.0, 1.0]], dtype=np.float32))
    assert np.isfinite(metrics.negative_log_likelihood(log_p, np.array([1, 1])).value)
    assert metrics.brier(log_p, np.array([1, 1])).value <= 2


def test_the_mean_has_students_interval():
    from scipy.stats import t

    values = np.array([0.1, 0.4, 0.2, 0.9])
    low, high = t.interval(0.95, 3, values.mean(), values.std(ddof=1) / sqrt(4))
    found = metrics.mean_estimate(values, -10.0, 10.0)
    assert (found.low, found.high, found.n) == (pytest.approx(low), pytest.approx(high), 4)
    held = metrics.mean_estimate(values, 0.2, 0.5)
    assert (held.low, held.high) == (0.2, 0.5)


@given(arrays(np.float64, 12, elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])), arrays(np.bool_, 12))
def test_auc_is_sklearns_and_its_variance_delongs(scores, positive):
    found = metrics.auc(scores, positive)
    if positive.all() or not positive.any():
        assert found is None
        return
    assert found.value == pytest.approx(peer.roc_auc_score(positive, scores))
    assert 0 <= found.low <= found.value <= found.high <= 1
    variance = _delong_by_loops(scores[positive], scores[~positive])
    if variance > 1e-12:
        half = 1.959964 * sqrt(variance)
        assert found.low == pytest.approx(max(0, found.value - half), abs=1e-6)
        assert found.high == pytest.approx(min(1, found.value + half), abs=1e-6)


def _delong_by_loops(positives, negatives):
    """DeLong et al. (1988), equations 4 to 6, as written."""
    kernel = [[1.0 if x > y else 0.5 if x == y else 0.0 for y in negatives] for x in positives]
    m, n = len(positives), len(negatives)
    area = sum(map(sum, kernel)) / (m * n)
    v10 = [sum(row) / n for row in kernel]
    v01 = [sum(row[j] for row in kernel) / m for j in range(n)]
    s10 = sum((v - area) ** 2 for v in v10) / (m - 1) if m > 1 else 0.0
    s01 = sum((v - area) ** 2 for v in v01) / (n - 1) if n > 1 else 0.0
    return s10 / m + s01 / n


def test_perfect_order_is_no_certainty():
    found = metrics.auc(np.arange(10.0), np.arange(10) >= 4)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(4 / (4 + 1.959964**2), abs=1e-6)  # Wilson's lower bound for 4 of 4


@settings(max_examples=5)
@given(st.integers(0, 100))
def test_delongs_interval_covers(seed):
    """Normal scores one standard deviation apart: the area is Phi(1/sqrt 2)."""
    from scipy.stats import norm

    random, true = np.random.default_rng(seed), norm.cdf(1 / sqrt(2))
    hits = 0
    for _ in range(200):
        scores, positive = random.normal(size=120), np.arange(120) < 50
        found = metrics.auc(scores + positive, positive)
        hits += found.low <= true <= found.high
    assert hits >= 176  # of 200 at 95%: fewer has probability below 0.0003
