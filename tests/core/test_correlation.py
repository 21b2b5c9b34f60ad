"""Figures of predicted scores against scipy, invariants and ends of the scale."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as peer

from dlcli.core.correlation import correlations, paired_score_difference, pearson, score_figures, thirds
from dlcli.specs.estimates import Estimate, PointEstimate

_SCORES = st.integers(2, 40).flatmap(
    lambda n: st.tuples(*[st.lists(st.one_of(st.integers(1, 5), st.floats(-9, 9, width=32)), min_size=n, max_size=n)] * 2)
)


def sample(n, seed=0, rho=0.7):
    random = np.random.default_rng(seed)
    truth = random.normal(size=n)
    return rho * truth + (1 - rho**2) ** 0.5 * random.normal(size=n), truth


@given(_SCORES)
def test_correlations_are_those_of_scipy(columns):
    x, y = (np.asarray(column, dtype=np.float64) for column in columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = correlations(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert not found
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = peer.spearmanr(x, y).statistic, peer.pearsonr(x, y).statistic, peer.kendalltau(x, y).statistic
    assert list(found) == ["spearman", "pearson", "kendall"]
    assert list(found.values()) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 30), st.floats(-1e6, 1e6))
def test_a_constant_column_has_no_correlation(n, value):
    figures = score_figures(np.full(n, value), np.arange(n), seed=0)
    assert list(figures) == ["mae", "rmse"]


@pytest.mark.parametrize("unit", [1e-200, 1e-9, 1e9, 1e200])
def test_the_unit_of_the_scores_changes_no_correlation(unit):
    x, y = sample(50)
    assert pearson(x * unit, y) == pytest.approx(pearson(x, y), abs=1e-12)


@pytest.mark.parametrize("group", [None, np.arange(80) // 4])
def test_figures_come_in_order_inside_their_intervals(group):
    figures = score_figures(*sample(80), group, seed=0)
    assert list(figures) == ["spearman", "pearson", "kendall", "mae", "rmse"]
    for name, one in figures.items():
        assert isinstance(one, Estimate)
        assert one.n == 80 and one.low < one.value < one.high
        assert (-1 if name in ("spearman", "pearson", "kendall") else 0) <= one.low and (name == "rmse" or one.high <= 1)


def test_errors_are_means_over_examples():
    predicted, truth = sample(30)
    figures = score_figures(predicted, truth, seed=0)
    assert figures["mae"].value == pytest.approx(sum(abs(p - t) for p, t in zip(predicted, truth, strict=True)) / 30)
    assert figures["rmse"].value ** 2 == pytest.approx(sum((p - t) ** 2 for p, t in zip(predicted, truth, strict=True)) / 30)


def test_pearson_has_about_the_interval_of_fisher():
    x, y = sample(4000)
    peers = peer.pearsonr(x, y).confidence_interval()
    found = score_figures(x, y, seed=0)["pearson"]
    width = peers.high - peers.low
    assert (found.low, found.high) == (pytest.approx(peers.low, abs=0.15 * width), pytest.approx(peers.high, abs=0.15 * width))


def test_the_order_of_examples_and_a_monotone_scale_change_nothing():
    x, y = sample(60)
    order = np.random.default_rng(1).permutation(60)
    once, again = score_figures(x, y, seed=0), score_figures(x[order], y[order], seed=0)
    for name, one in once.items():
        assert (again[name].low, again[name].high) == (pytest.approx(one.low), pytest.approx(one.high))
    scaled = score_figures(np.exp(x), y**3, seed=0)
    assert scaled["spearman"] == once["spearman"] and scaled["kendall"] == once["kendall"]


def test_reversed_scores_have_mirrored_correlations():
    x, y = sample(60)
    once, mirrored = score_figures(x, y, seed=0), score_figures(-x, y, seed=0)
    for name in ("spearman", "pearson", "kendall"):
        assert (mirrored[name].low, mirrored[name].high) == pytest.approx((-once[name].high, -once[name].low))


def test_copies_are_no_more_evidence():
    x, y = sample(40)
    once, often = (
        score_figures(x, y, seed=0),
        score_figures(np.repeat(x, 6), np.repeat(y, 6), np.repeat(np.arange(40), 6), seed=0),
    )
    for name, one in once.items():
        assert often[name].n == 240
        assert (often[name].low, often[name].high) == (pytest.approx(one.low), pytest.approx(one.high)), name


@pytest.mark.parametrize(
    ("predicted", "truth", "group", "why"),
    [
        (np.arange(9.0), np.arange(9.0) ** 2, None, {"9 examples"}),
        (np.arange(40.0), np.arange(40.0)[::-1], np.arange(40) // 10, {"4 groups"}),
        (np.arange(40.0), np.arange(40.0), None, {"a perfect correlation", "no errors"}),
        (np.eye(20)[3], np.eye(20)[5], None, {"one example or group decides"}),
        (
            np.eye(20)[3] + np.arange(20),
            np.arange(20.0),
            None,
            {"errors of one example or group alone", "one example or group decides"},
        ),
    ],
)
def test_what_allows_no_interval_says_why(predicted, truth, group, why):
    figures = score_figures(predicted, truth, group, seed=0)
    found = {one.why for one in figures.values() if isinstance(one, PointEstimate)}
    assert found == why
    assert all(np.isfinite(one.value) for one in figures.values())


@given(st.integers(10, 300), st.integers(0, 50), st.floats(0.01, 100), st.booleans())
def test_what_lies_on_a_line_is_perfect_however_sums_round(n, seed, slope, falls):
    """None of these sums is exact, and each rounds in another way."""
    x = np.random.default_rng(seed).normal(size=n)
    end = -1.0 if falls else 1.0
    figures = score_figures(0.3 + end * slope * x, x, seed=0)
    for name in ("spearman", "pearson", "kendall"):
        assert figures[name].value == end
        assert figures[name].why == "a perfect correlation"


@given(st.lists(st.integers(1, 7), min_size=1, max_size=60))
def test_thirds_keep_ties_together(truth):
    values = np.array(truth, dtype=np.float64)
    predicted = values + np.random.default_rng(0).normal(size=len(values))
    found = thirds(predicted, values, seed=0)
    assert 1 <= len(found) <= min(3, len(set(truth)))
    assert found[0].low == min(truth) and found[-1].high == max(truth)
    assert all(a.high < b.low for a, b in zip(found, found[1:], strict=False))
    assert sum(third.mae.n for third in found) == len(truth)
    for third in found:
        inside = (values >= third.low) & (values <= third.high)
        assert third.mae.n == inside.sum()
        assert third.mae.value == pytest.approx(np.abs(predicted - values)[inside].mean())


def test_distinct_scores_have_equal_thirds_with_groups_of_their_own():
    predicted, truth = sample(90)
    found = thirds(predicted, truth, np.arange(90) // 2, seed=0)
    assert [third.mae.n for third in found] == [30, 30, 30]
    assert all(isinstance(third.mae, Estimate) for third in found)


def test_a_difference_is_that_of_the_figures():
    first, truth = sample(60, rho=0.9)
    second = first + np.random.default_rng(3).normal(size=60)
    one, other = score_figures(first, truth, seed=0), score_figures(second, truth, seed=0)
    found = paired_score_difference(first, second, truth, seed=0)
    back = paired_score_difference(second, first, truth, seed=0)
    assert list(found) == list(one)
    for name, difference in found.items():
        assert difference.value == pytest.approx(one[name].value - other[name].value)
        assert (back[name].low, back[name].high) == pytest.approx((-difference.high, -difference.low))
        assert difference.established and difference.n == 60


def test_mean_absolute_errors_differ_as_paired_values_do():
    predicted, truth = sample(60)
    second = predicted + np.linspace(-0.1, 0.1, 60)
    gaps = np.abs(predicted - truth) - np.abs(second - truth)
    expected = peer.t.interval(0.95, 59, gaps.mean(), gaps.std(ddof=1) / 60**0.5)
    found = paired_score_difference(predicted, second, truth, seed=0)["mae"]
    assert (found.low, found.high) == pytest.approx(expected, rel=0.1)


def test_equal_networks_establish_nothing():
    predicted, truth = sample(30)
    found = paired_score_difference(predicted, predicted, truth, seed=0)
    assert not any(one.established for one in found.values()) and len(found) == 5
    assert not paired_score_difference(predicted[:9], predicted[:9], truth[:9], seed=0)
    assert list(paired_score_difference(np.zeros(30), predicted, truth, seed=0)) == ["mae", "rmse"]


@pytest.mark.parametrize("truth", [[], [1.0], [1.0, np.nan], [[1.0, 2.0]], [1.0, np.inf]])
def test_what_is_no_pair_of_columns_is_refused(truth):
    with pytest.raises(ValueError, match="columns of finite numbers"):
        correlations([1.0, 2.0], truth)
