"""Resamples against what is known of them: counts, sums, and an interval that is Student's for normal values."""

import numpy as np
import pytest
from scipy import stats as peer

from dlcli.core.bootstrap import RESAMPLES, bootstrap_t, resampled, resamples


@pytest.mark.parametrize("groups", [1, 7, 5_000])
def test_as_many_are_drawn_as_there_are(groups: int):
    blocks = list(resamples(groups, seed=0))
    assert sum(map(len, blocks)) == RESAMPLES
    assert all((block.sum(1) == groups).all() and (block >= 0).all() for block in blocks)
    assert len(blocks) == (1 if groups < 4_000 else 2)
    assert all(np.array_equal(a, b) for a, b in zip(blocks, resamples(groups, seed=0), strict=True))


def test_sums_of_resamples_have_their_mean_and_variance():
    values = np.random.default_rng(0).normal(3, 2, (400, 1))
    found = resampled(values, seed=1)[:, 0] / 400
    spread = values.std() / 20
    assert found.mean() == pytest.approx(values.mean(), abs=5 * spread / RESAMPLES**0.5)
    assert found.std() == pytest.approx(spread, rel=0.12)


def test_normal_values_have_about_students_interval():
    values = np.random.default_rng(2).normal(size=300)
    low, high = peer.t.interval(0.95, 299, values.mean(), values.std(ddof=1) / 300**0.5)
    found = bootstrap_t(values, seed=0)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))
    assert (found.value, found.n) == (pytest.approx(values.mean()), 300)


def test_the_interval_of_skewed_values_reaches_further_up():
    values = np.random.default_rng(3).exponential(size=60) ** 2
    found = bootstrap_t(values, seed=0)
    assert found.high - found.value > 1.3 * (found.value - found.low)


def test_copies_are_no_more_evidence():
    values = np.random.default_rng(4).exponential(size=200)
    once, often = bootstrap_t(values, seed=0), bootstrap_t(np.repeat(values, 9), np.repeat(np.arange(200), 9), seed=0)
    assert (often.value, often.low, often.high) == pytest.approx((once.value, once.low, once.high))
    assert often.n == 1_800


def test_equal_values_have_no_width():
    found = bootstrap_t(np.full(40, 0.7), seed=0)
    assert found.low == pytest.approx(0.7) and found.high == pytest.approx(0.7)
