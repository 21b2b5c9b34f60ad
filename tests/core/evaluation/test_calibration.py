"""Reliability bins and the expected calibration error against loops, scikit-learn and simulation."""

from math import ceil, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from dlcli.core.evaluation.calibration import expected_error, reliability

PAIRS = st.lists(st.tuples(st.integers(0, 300).map(lambda k: k / 300), st.booleans()), min_size=1, max_size=40)


@given(PAIRS, st.sampled_from([1, 5, 15]))
def test_bins_and_error_are_those_of_loops(pairs, bins):
    confidence, correct = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    found = reliability(confidence, correct, bins=bins)
    error = 0.0
    for k in range(bins):
        # Exact on the edges: 300 * confidence is a whole number, and so are the edges of the bins times 300.
        inside = [(c, r) for c, r in pairs if max(0, ceil(round(300 * c) * bins / 300) - 1) == k]
        assert found.n[k] == len(inside)
        if inside:
            mean, share = np.mean([c for c, _ in inside]), np.mean([r for _, r in inside])
            assert (found.confidence[k], found.accuracy[k]) == (pytest.approx(mean), pytest.approx(share))
            error += len(inside) / len(pairs) * abs(mean - share)
        else:
            assert isnan(found.accuracy[k])
    assert found.ece == pytest.approx(error)


def test_bins_are_sklearns():
    from sklearn.calibration import calibration_curve

    random = np.random.default_rng(0)
    confidence = random.random(500)
    correct = random.random(500) < confidence**2
    share, mean = calibration_curve(correct, confidence, n_bins=15)
    found = reliability(confidence, correct)
    assert found.accuracy == pytest.approx(share) and found.confidence == pytest.approx(mean)


def test_closed_form():
    found = expected_error(np.full(100, 0.8), np.arange(100) < 60, seed=0)
    # One bin of which 60 are right: the noise has a standard deviation of 0.05, far below the gap of 0.2, and adds nothing.
    assert found.value == pytest.approx(0.2, abs=0.003)
    # The error is the confidence minus a share, of which the interval by normal tests is Wilson's.
    share = binomtest(60, 100).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(0.8 - share.high, abs=0.012), pytest.approx(0.8 - share.low, abs=0.012))


def test_how_many_examples_a_bin_has_varies_too():
    """A fifth has confidence 0.93, of which a third is right; the others are certain: the error is the mean of 0.93 - y."""
    confidence, correct = np.repeat([0.93, 1.0], [200, 800]), np.repeat([True, False, True], [66, 134, 800])
    each = confidence - correct
    half = 1.96 * each.std() / np.sqrt(len(each))
    found = expected_error(confidence, correct, seed=0)
    assert found.value == pytest.approx(0.12, abs=0.002)
    assert (found.low, found.high) == (pytest.approx(0.12 - half, abs=0.003), pytest.approx(0.12 + half, abs=0.003))


def test_certainty_without_a_mistake_has_no_error_and_no_bound_of_zero():
    found = expected_error(np.ones(50), np.ones(50, bool), seed=0)
    assert (found.value, found.low) == (0, 0)
    assert expected_error(np.full(50, 0.99), np.ones(50, bool), seed=0).high > 0.01


def test_without_a_mistake_the_error_may_be_that_of_the_accuracy():
    """Of 100 examples without a mistake up to 3% of all are wrong (1 - 0.05^(1/100)), however sure the network is."""
    sure, right = np.full(100, 0.99999), np.ones(100, bool)
    for group in (None, np.arange(100)):
        found = expected_error(sure, right, group=group, seed=0)
        assert found.low <= found.value < 1e-4 and 1 - 0.05 ** (1 / 100) < found.high < 0.05


def test_a_calibrated_network_without_a_mistake_may_have_no_error():
    """At a confidence of 0.99, 37% of samples of 100 have no mistake."""
    for confidence, correct in ((0.99, True), (0.01, False)):
        found = expected_error(np.full(100, confidence), np.full(100, correct), seed=0)
        assert found.low == 0 and found.high > 1 - 0.05 ** (1 / 100) - 0.01


@given(PAIRS, st.booleans())
def test_the_interval_holds_the_value_and_lies_within_0_and_1(pairs, grouped):
    confidence, correct = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    group = np.arange(len(pairs)) // 2 if grouped else None
    found = expected_error(confidence, correct, group=group, seed=0)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("tilt", [0.03, 0.1])
def test_the_error_is_not_raised_by_chance(tilt):
    """On average within a fifth of the truth, where the error of the bins alone is far above it."""
    random, middles = np.random.default_rng(3), (np.arange(5) + 0.5) / 5 * 0.7 + 0.3
    corrected, plain = [], []
    for seed in range(80):
        confidence = random.choice(middles, 600)
        correct = random.random(600) < confidence - tilt
        corrected.append(expected_error(confidence, correct, seed=seed).value)
        plain.append(reliability(confidence, correct).ece)
    assert abs(np.mean(corrected) - tilt) < 0.2 * tilt
    assert np.mean(plain) > np.mean(corrected)


def test_copies_of_examples_are_no_more_evidence():
    random = np.random.default_rng(4)
    confidence = random.random(300) * 0.6 + 0.4
    correct = random.random(300) < confidence - 0.1
    once, alone = (expected_error(confidence, correct, group=g, seed=0) for g in (np.arange(300), None))
    often = expected_error(np.repeat(confidence, 10), np.repeat(correct, 10), group=np.repeat(np.arange(300), 10), seed=0)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.15)
    assert once.low == pytest.approx(alone.low, abs=0.02) and once.value == pytest.approx(alone.value, abs=0.01)


def test_the_same_seed_gives_the_same_interval():
    random = np.random.default_rng(1)
    confidence, correct = random.random(50), random.random(50) < 0.5
    assert expected_error(confidence, correct, seed=3) == expected_error(confidence, correct, seed=3)


@pytest.mark.parametrize("tilt", [0.0, 0.15])
def test_the_interval_holds_the_true_error(tilt):
    """Confidence uniform on five bins' middles; the truth is `tilt` below it, so the true error is `tilt`."""
    random, middles, hits = np.random.default_rng(2), (np.arange(5) + 0.5) / 5 * 0.7 + 0.3, 0
    for _ in range(60):
        confidence = random.choice(middles, 400)
        correct = random.random(400) < confidence - tilt
        found = expected_error(confidence, correct, seed=int(random.integers(1 << 30)))
        assert found.low <= found.value <= found.high
        hits += found.low <= tilt <= found.high
    assert hits >= 50


@pytest.mark.parametrize("n", [40, 100])
def test_half_of_coin_throws_right_is_not_known_exactly(n: int):
    found = expected_error(np.full(n, 0.5), np.arange(n) % 2 == 0, seed=0)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1.96 * np.sqrt(0.25 / n), rel=0.1)


@pytest.mark.parametrize("tiny", [5e-324, 1e-320, 2e-308, 1e-200, 1e-160])
@pytest.mark.parametrize("others", [0.0, 1.0])
@pytest.mark.parametrize("grouped", [False, True])
def test_confidence_that_is_nearly_0_is_like_one_of_0(tiny: float, others: float, grouped: bool):
    """Also below the smallest normal number, of which the inverse is infinite; the `others` are without any error."""
    near, none = (np.repeat([one, others], [4, 6]) for one in (tiny, 1e-100))
    correct, group = np.repeat([False, others == 1], [4, 6]), np.arange(10) % 5 if grouped else None
    found, like = (expected_error(confidence, correct, group=group, seed=0) for confidence in (near, none))
    assert (found.value, found.low, found.high) == pytest.approx((like.value, like.low, like.high), abs=1e-9)
