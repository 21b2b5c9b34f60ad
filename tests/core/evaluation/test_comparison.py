"""Comparisons of two classifiers: exact tests by enumeration, and a gate that errs as rarely as it says."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.no_worse import SETTINGS, Setting, rates
from dlcli.core.evaluation.comparison import compare_parts, gate_power, no_worse, p_of_pairs
from dlcli.core.evaluation.slices import ExampleSlice
from dlcli.core.grouped import difference_of
from dlcli.specs.estimates import Difference


def of(both: int, fixed: int, broken: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Which examples the new and the old one are right on."""
    new = np.repeat([True, True, False, False], (both, fixed, broken, neither))
    old = np.repeat([True, False, True, False], (both, fixed, broken, neither))
    return new, old


@pytest.mark.parametrize(("fixed", "broken"), [(0, 0), (5, 0), (12, 1), (7, 7), (3, 14)])
def test_a_difference_without_groups_has_the_binomial_p_value(fixed: int, broken: int):
    known = binomtest(fixed, fixed + broken).pvalue if fixed + broken else 1.0
    assert p_of_pairs(*of(80, fixed, broken, 3)) == pytest.approx(known)


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_mcnemars_exact_test_is_the_more_conservative_one(n: int):
    """Wherever it is significant the interval excludes 0, for all numbers of differing examples below 60, `n` times as many."""
    for fixed in range(60):
        for broken in range(fixed):
            new, old = of((n - 1) * (fixed + broken), fixed, broken, 0)
            if binomtest(broken, fixed + broken).pvalue <= 0.05:
                assert difference_of(new, old).low > 0


def test_groups_are_exchanged_as_wholes():
    """Against all 2^10 exchanges of ten groups."""
    random = np.random.default_rng(0)
    group = np.arange(10).repeat(4)
    new, old = random.random(40) < 0.8, random.random(40) < 0.5
    sums = np.bincount(group, new.astype(float) - old)
    every = np.array([abs(np.dot(signs, sums)) for signs in product((-1, 1), repeat=10)])
    exact = float((every >= abs(sums.sum()) - 1e-9).mean())
    assert p_of_pairs(new, old, group) == pytest.approx(exact, abs=4 * sqrt(exact * (1 - exact) / 5000))


def test_parts_are_corrected_by_holm():
    new, old = (np.concatenate(pair) for pair in zip(of(90, 10, 0, 0), of(96, 2, 2, 0), of(92, 7, 1, 0), strict=True))
    where = np.arange(3).repeat(100)
    parts = compare_parts([ExampleSlice("site", name, where == k) for k, name in enumerate("abc")], new, old)
    raw = [binomtest(10, 10).pvalue, 1.0, binomtest(7, 8).pvalue]
    assert [one.p for one in parts] == pytest.approx([3 * raw[0], 1.0, 2 * raw[2]])
    assert [one.status for one in parts] == ["better", "not established", "not established"]
    assert [(one.fixed, one.broken) for one in parts] == [(10, 0), (2, 2), (7, 1)]
    assert [one.difference.value for one in parts] == pytest.approx([0.1, 0, 0.06])
    backwards = compare_parts([ExampleSlice("site", "a", where == 0)], old, new)
    assert (backwards[0].status, backwards[0].difference) == ("worse", -parts[0].difference)


def test_the_gate_takes_the_whole_interval():
    assert no_worse(Difference(0.0, -0.0049, 0.005, 10), 0.005)
    assert not no_worse(Difference(0.001, -0.005, 0.007, 10), 0.005)


def test_the_examples_that_are_needed_reach_the_power():
    """With as many as the note says, two that differ on 5% pass in 80% of the test sets."""
    found = gate_power(difference_of(*of(900, 25, 25, 50)), 0.01)
    again = Setting(found.needed, 0.05, 0.01)
    runs = 400
    assert rates(again, runs).equal == pytest.approx(0.8, abs=3 * sqrt(0.8 * 0.2 / runs))


@pytest.mark.parametrize("setting", [one for one in SETTINGS if one.n <= 1000], ids=str)
def test_the_gate_errs_as_rarely_as_it_says(setting: Setting):
    runs = 300
    found = rates(setting, runs)
    for error in (found.worse, found.worse_slice):
        assert error <= 0.025 + 3 * sqrt(0.025 * 0.975 / runs)
    assert found.equal == pytest.approx(found.promised, abs=3 * sqrt(0.25 / runs))
