"""Shares of groups against closed forms, copies of groups and loops."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.grouped import (
    crossed_difference,
    difference_of,
    effective_size,
    group_sums,
    grouped_share,
    mean_share,
    share_of,
)
from dlcli.core.proportion import proportion
from dlcli.core.stats import mean_difference, paired_difference

GROUPS = st.lists(st.integers(1, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=40)


@given(st.lists(st.booleans(), min_size=2, max_size=200))
def test_groups_of_one_are_independent_examples(hits):
    assert grouped_share(hits, np.ones(len(hits))) == proportion(sum(hits), len(hits))


@given(st.lists(st.tuples(st.booleans(), st.integers(2, 9)), min_size=2, max_size=40), st.integers(2, 20))
def test_copies_of_groups_that_are_alike_within_are_no_more_evidence(groups, times):
    right, totals = (np.array(column) for column in zip(*groups, strict=True))
    assert effective_size(times * right * totals, times * totals) == pytest.approx(effective_size(right * totals, totals))
    assert effective_size(right * totals, totals) < len(groups) + 0.5


@given(GROUPS)
def test_the_interval_holds_the_share_and_never_is_narrower_than_wilsons(groups):
    hits, totals = (np.array(column, float) for column in zip(*groups, strict=True))
    found, least = grouped_share(hits, totals), proportion(hits.sum(), int(totals.sum()))
    assert (found.value, found.n) == (least.value, least.n)
    assert 0 <= found.low <= least.low + 1e-12 and least.high - 1e-12 <= found.high <= 1


def test_many_groups_have_the_variance_of_a_ratio():
    """Cochran (1977), section 6.5, by a loop: with many groups the rest is negligible."""
    random = np.random.default_rng(0)
    totals = random.integers(1, 12, 20_000)
    hits = random.binomial(totals, random.beta(3, 1, 20_000))
    share = hits.sum() / totals.sum()
    variance = sum((h - share * t) ** 2 for h, t in zip(hits.tolist(), totals.tolist(), strict=True)) / int(totals.sum()) ** 2
    assert effective_size(hits, totals) == pytest.approx(share * (1 - share) / variance, rel=0.005)
    found = grouped_share(hits, totals)
    assert found.high - found.low == pytest.approx(2 * 1.96 * sqrt(variance), rel=0.01)


def test_groups_that_are_all_right_are_no_certainty():
    """A hundred groups of 20 without a mistake tell at most as much as a hundred examples, and nearly that."""
    low = grouped_share(np.full(100, 20), np.full(100, 20)).low
    assert proportion(60, 60).low < low < proportion(200, 200).low


def test_a_single_group_tells_nothing():
    found = grouped_share([3, 0], [4, 0])
    assert (found.value, found.low, found.high, found.n) == (0.75, 0, 1, 4)


@pytest.mark.parametrize(("hits", "totals"), [([], []), ([0], [0]), ([2], [1]), ([-1, 2], [1, 2]), ([1], [1, 1])])
def test_impossible_groups_are_refused(hits, totals):
    with pytest.raises(ValueError, match="groups of at least one example"):
        grouped_share(hits, totals)


def test_sums_of_groups_and_shares_of_outcomes():
    group = np.array([0, 2, 0, 1])
    assert group_sums([True, True, False, True], group).tolist() == [1, 1, 1]
    assert share_of([1, 1, 0, 1]) == proportion(3, 4)
    assert share_of([1, 1, 0, 1], group) == grouped_share([1, 1, 1], [2, 1, 1])


def test_a_mean_of_shares_is_narrower_the_more_they_are_alike():
    right = np.random.default_rng(1).random((9, 400)) < 0.9
    same, other = mean_share(right[:1].repeat(9, axis=0).mean(0)), mean_share(right.mean(0))
    assert same == proportion(right[0].sum(), 400)
    # Nine independent networks are as good as 3,600 images, up to the quarter of an image that is added on both sides.
    nine = proportion(right.sum(), 3600)
    assert nine.high - nine.low < other.high - other.low < 1.2 * (nine.high - nine.low)
    assert mean_share([0.5]).low < 0.15


def test_images_that_all_seeds_decide_alike_are_counted_once():
    """Twenty seeds that differ on the same images are one comparison of two networks on the images."""
    column = np.random.default_rng(0).choice([-1, 0, 1], 600, p=[0.1, 0.8, 0.1])
    found = crossed_difference(np.tile(column, (20, 1)))
    half = 1.96 * column.std(ddof=1) / 600**0.5
    assert found.high - found.value == pytest.approx(half, rel=0.01) and found.n == 600


def test_differences_that_no_image_shares_are_those_over_seeds():
    values = np.random.default_rng(1).choice([-1, 0, 1], (8, 3000), p=[0.1, 0.8, 0.1])
    found, seeds = crossed_difference(values), mean_difference(values.mean(1))
    assert found.value == pytest.approx(seeds.value)
    assert (seeds.high - seeds.low) * 0.999 < found.high - found.low < 1.4 * (seeds.high - seeds.low)


@pytest.mark.parametrize("seeds", [5, 20])
def test_a_gain_that_the_images_decide_is_seldom_established(seeds):
    """Of 600 images 2% are decided by either side whatever the seed, and 2% by the seed: there is no true gain."""
    random, crossed, over_seeds, runs = np.random.default_rng(2), 0, 0, 400
    for _ in range(runs):
        fixed = random.choice([-1, 0, 1], 600, p=[0.02, 0.96, 0.02])
        values = np.where(fixed != 0, fixed, random.choice([-1, 0, 1], (seeds, 600), p=[0.01, 0.98, 0.01]))
        crossed += crossed_difference(values).established
        over_seeds += mean_difference(values.mean(1), step=1 / 600).established
    assert crossed <= 0.06 * runs + 3 * (0.06 * 0.94 * runs) ** 0.5
    assert over_seeds > 0.3 * runs  # which is about these images


def test_a_difference_by_group_is_students_of_equal_groups_and_never_narrower_than_that_of_images():
    random = np.random.default_rng(3)
    right, group = random.random((2, 400)) < np.repeat(random.random((2, 40)), 10, 1), np.repeat(np.arange(40), 10)
    found, images = difference_of(*right, group), paired_difference(*right)
    assert (found.value, found.n) == (pytest.approx(images.value), 400)
    assert found.low <= images.low and images.high <= found.high
    means = (right[0].astype(float) - right[1]).reshape(40, 10).mean(1)
    assert found.high - found.value >= mean_difference(means).high - means.mean() - 1e-12
    assert difference_of(*right) == images


def test_few_groups_tell_nothing_of_a_difference():
    found = difference_of([1, 1, 1, 0, 1, 1], [0, 0, 1, 0, 0, 1], np.arange(6) % 4)
    assert (found.value, found.low, found.high) == (0.5, -1, 1)


def test_copies_of_images_are_no_more_evidence_over_seeds_and_images():
    values = np.random.default_rng(4).choice([-1, 0, 1], (5, 300), p=[0.2, 0.6, 0.2])
    once, copied = crossed_difference(values), crossed_difference(values.repeat(7, 1), np.repeat(np.arange(300), 7))
    assert (copied.low, copied.high) == (pytest.approx(once.low), pytest.approx(once.high))
    one = crossed_difference(values, np.zeros(300, np.int64))
    assert (one.low, one.high) == (-1, 1)
