"""Reliability bins and the expected calibration error against loops, scikit-learn and simulation."""

from math import ceil, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert found.value == pytest.approx(0.2)
    # One bin: the error is |0.8 - share|, so its interval is near that of a share of 0.6 in 100.
    assert (found.low, found.high) == (pytest.approx(0.104, abs=0.02), pytest.approx(0.296, abs=0.02))


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
