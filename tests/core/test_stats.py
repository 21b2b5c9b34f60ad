"""Intervals against scipy, brute force and simulation."""

from math import pi, sqrt, tan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from scipy import stats as peer
from scipy.optimize import minimize_scalar

from dlcli.core.proportion import proportion
from dlcli.core.stats import (
    independent_difference,
    mcnemar,
    mean_correlation,
    mean_difference,
    p_of_independent,
    paired_difference,
    quantile,
)
from dlcli.specs.estimates import Difference, Estimate

_COLUMNS = st.integers(1, 60).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 1), min_size=n, max_size=n)] * 2))


@given(_COLUMNS)
def test_the_score_test_of_both_ends_of_binary_columns_is_at_its_limit(columns):
    """Tango (1998): the likelihood is maximised by search here, under the difference that is tested."""
    n, (more, less) = len(columns[0]), (sum(x > y for x, y in zip(*one, strict=True)) for one in (columns, columns[::-1]))
    found = paired_difference(*columns)
    assert (found.value, found.n) == (pytest.approx((more - less) / n), n)
    for end, sign in ((found.low, 1), (found.high, -1)):
        if abs(end) > 1 - 1e-9:
            assert abs((more - less) / n) == 1 and end * (more - less) > 0
        else:
            score = (more - less - n * end) / sqrt(n * _variance(end, more, less, n))
            assert score == pytest.approx(sign * peer.norm.ppf(0.975), rel=1e-3)


def _variance(difference: float, more: int, less: int, n: int) -> float:
    """That of a pair, under the most likely shares of pairs that differ either way by so much."""
    first, last = max(0.0, -difference), (1 - difference) / 2

    def unlikely(share: float) -> float:
        shares = np.array([share + difference, share, 1 - difference - 2 * share])
        return -float(special.xlogy([more, less, n - more - less], np.maximum(shares, 0)).sum())

    share = minimize_scalar(unlikely, bounds=(first, last), method="bounded", options={"xatol": 1e-12}).x
    return 2 * share + difference * (1 - difference)


@pytest.mark.parametrize(("more", "less", "n", "low", "high"), [(1, 7, 21, -0.517, -0.026), (0, 0, 50, -0.07136, 0.07136)])
def test_the_score_interval_is_a_published_one(more, less, n, low, high):
    """The first is of Fagerland, Lydersen and Laake (2014, Stat. Med. 33), the second z^2 / (n + z^2)."""
    found = paired_difference([1] * more + [0] * (n - more), [0] * more + [1] * less + [0] * (n - more - less))
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-4)


@given(_COLUMNS)
def test_swapping_the_columns_negates_the_interval(columns):
    one, other = paired_difference(*columns), paired_difference(*columns[::-1])
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert one.low <= one.value <= one.high


def test_fractions_have_two_more_pairs_too():
    """The mean and the variance of the differences beside two of the root mean square of them and of five of 1."""
    values = np.random.default_rng(0).random((2, 40))
    differences = values[0] - values[1]
    size = np.sqrt(np.mean(np.append(differences, np.ones(5)) ** 2))
    more = np.append(differences, [size, -size])
    half = peer.norm.ppf(0.975) * more.std() / sqrt(42)
    found = paired_difference(*values)
    assert (found.low, found.high) == pytest.approx((more.mean() - half, more.mean() + half))
    assert found.value == pytest.approx((values[0] - values[1]).mean())


def test_one_pair_of_fractions_tells_nothing():
    found = paired_difference([0.9], [0.5])
    assert found.low < -0.7 and found.high == 1 and not found.established


@pytest.mark.parametrize(("n", "both", "only_a", "only_b"), [(30, 0.6, 0.1, 0.1), (100, 0.9, 0.04, 0.01), (500, 0.5, 0.2, 0.1)])
def test_the_interval_of_binary_pairs_covers_the_truth(n, both, only_a, only_b):
    runs, rng = 2000, np.random.default_rng(1)
    kinds = rng.choice(4, size=(runs, n), p=[both, only_a, only_b, 1 - both - only_a - only_b])
    found = [paired_difference((k == 0) | (k == 1), (k == 0) | (k == 2)) for k in kinds]
    covered = np.mean([d.low <= only_a - only_b <= d.high for d in found])
    # Four standard errors of the simulation beside what an interval of counts has.
    assert 0.93 - 4 * sqrt(0.95 * 0.05 / runs) < covered < 0.97 + 4 * sqrt(0.95 * 0.05 / runs)


def test_the_interval_of_fractions_covers_the_truth():
    runs, n, rng = 2000, 100, np.random.default_rng(2)
    a, b = rng.binomial(10, 0.8, (runs, n)) / 10, rng.binomial(10, 0.7, (runs, n)) / 10
    covered = np.mean([(d := paired_difference(x, y)).low <= 0.1 <= d.high for x, y in zip(a, b, strict=True)])
    assert covered > 0.95 - 5 * sqrt(0.95 * 0.05 / runs)


@pytest.mark.parametrize(("a", "b"), [([], []), ([1, 0], [1]), ([2], [0]), ([float("nan")], [0]), ([[1]], [[0]])])
def test_columns_that_are_not_pairs_are_refused(a, b):
    with pytest.raises(ValueError, match="pairs|array"):
        paired_difference(a, b)


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_examples_of_newcombe(a, m, b, n, low, high):
    """Newcombe (1998, Stat. Med. 17, 873-890), table II, method 10, of score intervals."""

    def score(hits, of):
        interval = peer.binomtest(hits, of).proportion_ci(method="wilson")
        return Estimate(hits / of, interval.low, interval.high, of)

    found = independent_difference(score(a, m), score(b, n))
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert (found.value, found.n) == (pytest.approx(a / m - b / n), m + n)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0, 1))
def test_against_a_known_share_the_interval_is_that_of_the_share_shifted(case, known):
    from dlcli.specs.estimates import Estimate

    share = proportion(*case)
    found = independent_difference(share, Estimate(known, known, known, 0))
    assert (found.low, found.high) == (pytest.approx(share.low - known), pytest.approx(share.high - known))


def test_equal_differences_of_rounded_figures_still_have_a_spread():
    """Two roundings to whole numbers have variance 1/12 each; Student's point for 1 degree of freedom is tan(0.475 pi)."""
    found = mean_difference([2.0, 2.0], step=1.0)
    half = tan(0.475 * pi) * sqrt(1 / 6) / sqrt(2)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), rel=1e-9)
    assert not found.established
    assert mean_difference([2.0, 2.0]).established
    assert mean_difference([1.0, 3.0], step=1.0) == mean_difference([1.0, 3.0])


@pytest.mark.parametrize(("n", "share"), [(20, 0.5), (60, 0.25), (60, 0.75), (500, 0.5)])
def test_a_quantile_lies_between_two_values_whose_ranks_are_binomial(n, share):
    """The probability that as many values are below the quantile as the ranks allow, added up."""
    found = quantile(np.arange(1.0, n + 1), share)
    low, high = int(found.low), int(found.high)
    covered = peer.binom.pmf(np.arange(low, high), n, share).sum()
    assert 0.95 <= covered < 0.99 and found.low <= found.value <= found.high
    assert found.value == np.quantile(np.arange(1.0, n + 1), share)


def test_a_quantile_of_a_few_values_has_no_interval():
    assert (quantile([1.0, 2.0, 3.0], 0.5).low, quantile([2.0], 0.5).value) == (None, 2)
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_two_equal_differences_of_a_share_of_1200_images_establish_nothing():
    """As of training accuracies over two seeds: each is rounded to a whole image."""
    assert not mean_difference([1 / 1200] * 2, step=1 / 1200).established


@given(*[st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))] * 2)
def test_the_p_value_of_two_proportions_goes_with_their_interval(a, b):
    first, second = proportion(*a), proportion(*b)
    p, gap = p_of_independent(first, second), independent_difference(first, second)
    assert 0 <= p <= 1 and p == pytest.approx(p_of_independent(second, first))
    if min(abs(gap.low), abs(gap.high)) > 1e-9:
        assert (p < 0.05) == gap.established


def test_the_p_value_against_a_known_proportion_is_that_of_the_score_test():
    """The interval of one proportion inverts the score test, so a gap to an exact value has its p-value."""
    known = Estimate(0.1, 0.1, 0.1, 0)
    z = (0.15 - 0.1) / (0.1 * 0.9 / 200) ** 0.5
    assert p_of_independent(proportion(30, 200), known) == pytest.approx(2 * peer.norm.sf(z), rel=1e-6)


def test_the_p_value_of_proportions_that_are_far_apart_is_a_number():
    assert 0 <= p_of_independent(proportion(9990, 10_000), proportion(10, 10_000)) < 1e-100


@given(_COLUMNS)
def test_mcnemar_is_the_binomial_test_of_the_pairs_that_differ(columns):
    a, b = columns
    more, less = sum(x > y for x, y in zip(a, b, strict=True)), sum(x < y for x, y in zip(a, b, strict=True))
    expected = peer.binomtest(more, more + less).pvalue if more + less else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)


@pytest.mark.parametrize(("centre", "spread"), [(0.0, 0.1), (0.8, 0.2), (1.8, 0.3), (2.5, 0.5)])
@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_the_interval_of_a_mean_correlation_is_inside_the_scale_and_holds_the_mean(centre: float, spread: float, n: int):
    source = np.random.default_rng(n)
    true = np.tanh(source.normal(centre, spread, 400_000)).mean()
    found = [mean_correlation(np.tanh(source.normal(centre, spread, n))) for _ in range(800)]
    assert all(-1 <= one.low <= one.value <= one.high <= 1 for one in found)
    held = np.mean([one.low <= true <= one.high for one in found])
    assert held > (0.86 if centre > 2 else 0.91)  # the plain interval, cut at 1, holds 0.82 to 0.88 of the last


def test_equal_correlations_of_1_have_no_width():
    assert mean_correlation([1.0, 1.0]) == Difference(1.0, 1.0, 1.0, 2)
