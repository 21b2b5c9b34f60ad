"""The point is the one that the definition gives, and what it promises holds in most draws of held-out pairs."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from dlcli.core.text.scoring.operating_point import GRID, choose_threshold, count_by_threshold
from dlcli.support.errors import CheckFailedError


def reaches(right: int, called: int, wanted: float) -> bool:
    """Whether the lower bound is `wanted` or more: that of the score test, of one to three hits that of a Poisson variable."""
    if 1 <= right <= 3:
        return chi2.ppf(0.05, 2 * right) / (2 * called) >= wanted - 1e-12
    share = right / called
    return share >= wanted and share - wanted >= 1.959963984540054 * (wanted * (1 - wanted) / called) ** 0.5 - 1e-12


@given(
    st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=300), st.floats(0.5, 0.99), st.integers(1, 9)
)
@settings(max_examples=200)
def test_it_is_the_smallest_of_the_grid_whose_lower_bound_reaches_what_is_wanted(pairs, wanted, times):
    probability, duplicate = (np.repeat(column, times) for column in zip(*pairs, strict=True))
    probability = probability / 100
    passed = []
    for percent in range(5, 100, 5):
        called = [y for p, y in zip(probability, duplicate, strict=True) if p >= percent / 100]
        if called and reaches(sum(called), len(called), wanted):
            passed.append(percent / 100)
    if passed:
        point = choose_threshold(count_by_threshold(probability, duplicate, np.arange(len(duplicate))), wanted, "it")
        assert point.threshold == passed[0] and point.precision.low >= wanted
    else:
        with pytest.raises(CheckFailedError, match="out of reach"):
            choose_threshold(count_by_threshold(probability, duplicate, np.arange(len(duplicate))), wanted, "it")


def test_the_counts_at_each_threshold():
    p, y = np.array([0.2, 0.5, 0.5, 0.9]), np.array([False, False, True, True])
    table = {one.threshold: one[1:3] for one in count_by_threshold(p, y, np.arange(4))}
    assert len(table) == 99 and set(GRID) < set(table)
    assert (table[0.01], table[0.5], table[0.51], table[0.9], table[0.95]) == ((4, 2), (3, 2), (1, 1), (1, 1), (0, 0))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200))
def test_the_suggested_precision_is_reached(pairs):
    probability, duplicate = (np.array(column) for column in zip(*pairs, strict=True))
    counts = count_by_threshold(probability, duplicate, np.arange(len(duplicate)))
    with pytest.raises(CheckFailedError) as caught:
        choose_threshold(counts, 1.0, "the score")
    assert "\n" not in caught.value.message and "dlcli train --data PAIRS.csv --task pairs" in caught.value.hint
    said = re.search(r"for the score is at most (\S+), at a threshold of (\S+)$", caught.value.message)
    assume(said is not None and float(said[1]) > 0)
    # A precision that the option itself would refuse is not suggested.
    assert (f"`precision={said[1]}` or less" in caught.value.hint) == (float(said[1]) >= 0.5)
    assert choose_threshold(counts, float(said[1]), "the score").threshold <= float(said[2])


def test_no_pair_called_is_no_point():
    with pytest.raises(CheckFailedError, match="calls no held-out pair"):
        choose_threshold(count_by_threshold(np.zeros(9), np.zeros(9, bool), np.arange(9)), 0.5, "it")


@pytest.mark.parametrize(("pairs", "wanted"), [(300, 0.7), (300, 0.8), (2000, 0.7), (2000, 0.8), (2000, 0.9)])
def test_the_true_precision_at_the_point_is_seldom_below_what_is_wanted(pairs: int, wanted: float):
    """Of pairs whose probabilities are uniform and true, (1 + t) / 2 of those at or above t are duplicates."""
    random = np.random.default_rng(0)
    draws, missed = 400, 0
    for _ in range(draws):
        probability = random.random(pairs)
        counts = count_by_threshold(probability, random.random(pairs) < probability, np.arange(pairs))
        try:
            missed += (1 + choose_threshold(counts, wanted, "it").threshold) / 2 < wanted
        except CheckFailedError:
            pass
    assert missed <= 0.05 * draws
