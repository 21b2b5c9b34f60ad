"""The jackknife against what is known of it: the mean has Student's interval, and parts stand for single examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as peer

from dlcli.core.jackknife import CORRELATION, PLAIN, POSITIVE, interval, kept, too_few


@given(st.integers(5, 300), st.integers(0, 99))
def test_the_mean_of_values_with_light_tails_has_students_interval(n, seed):
    values = np.random.default_rng(seed).permutation(np.linspace(-1, 1, n)) + 3
    left = np.array([values[keep].mean() for keep in kept(n, seed=0)])
    low, high = peer.t.interval(0.95, len(left) - 1, values.mean(), values.std(ddof=1) / n**0.5)
    found = interval(float(values.mean()), left, PLAIN)
    # Parts of several examples estimate the same spread, by chance a little off.
    assert found == pytest.approx((low, high), abs=1e-9 if n <= 200 else 0.3 * (high - low))


def test_heavy_tails_widen_it():
    values = np.random.default_rng(0).standard_t(3, 40)
    left = np.array([values[keep].mean() for keep in kept(40, seed=0)])
    found = interval(float(values.mean()), left, PLAIN)
    student = peer.t.interval(0.95, 39, values.mean(), values.std(ddof=1) / 40**0.5)
    assert found is not None
    assert found[0] < student[0] and found[1] > student[1]
    excess = peer.kurtosis((left - left.mean()), bias=False)
    degrees = 2 * 40 / (excess + 2)
    assert found[1] - found[0] == pytest.approx(2 * peer.t.ppf(0.975, degrees) * values.std(ddof=1) / 40**0.5)


@given(st.integers(1, 700), st.integers(0, 9))
def test_each_example_is_left_out_once(n, seed):
    masks = np.array(list(kept(n, seed=seed)))
    assert ((~masks).sum(0) == 1).all()
    assert len(masks) == min(n, 200)
    left_out = (~masks).sum(1)
    assert left_out.max() - left_out.min() <= 1


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
def test_groups_are_left_out_whole(group):
    masks = list(kept(len(group), np.array(group), seed=0))
    out = [{g for g, keep in zip(group, mask, strict=True) if not keep} for mask in masks]
    assert sorted(map(list, out)) == [[g] for g in sorted(set(group))]
    assert all(sum(not keep for keep in mask) == group.count(next(iter(g))) for mask, g in zip(masks, out, strict=True))


def test_ends_of_a_scale_have_no_interval():
    assert interval(1.0, np.full(9, 1.0), CORRELATION) is None
    assert interval(0.5, np.array([0.5] * 8 + [np.nan]), CORRELATION) is None
    assert interval(0.1, np.array([0.1] * 8 + [0.0]), POSITIVE) is None
    assert interval(0.1, np.full(9, 0.1), POSITIVE) == (0.1, 0.1)


@given(st.floats(-300, 300))
def test_the_unit_makes_no_difference(exponent):
    values = np.random.default_rng(1).exponential(size=30)
    left = np.array([values[keep].mean() for keep in kept(30, seed=0)])
    once = interval(float(values.mean()), left, POSITIVE)
    unit = 10.0 ** (exponent / 2)
    scaled = interval(float(values.mean() * unit), left * unit, POSITIVE)
    assert once is not None and scaled == pytest.approx(tuple(end * unit for end in once), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "group", "why"),
    [(9, None, "9 examples"), (1, None, "1 example"), (10, None, ""), (90, [3] * 90, "1 group"), (10, [0, 1, 2, 3, 4] * 2, "")],
)
def test_too_few_are_named(n, group, why):
    assert too_few(n, None if group is None else np.array(group)) == why
