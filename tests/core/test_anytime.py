"""Intervals that hold at every moment: the probability that one ever fails, computed exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from dlcli.core.anytime import UNIFORM, Prior, anytime_difference, anytime_share, decided, possible_successes


def chance_of_an_error(total: int, truth: int, prior: Prior = UNIFORM) -> float:
    """The probability that the interval ever excludes the truth in a random order, over all orders."""
    # The probabilities of each count of successes among the orders that have not failed so far.
    alive = np.zeros(truth + 1)
    alive[0] = 1.0
    for seen in range(1, total + 1):
        after = np.zeros_like(alive)
        for hits, chance in enumerate(alive):
            if chance > 0:
                success = (truth - hits) / (total - seen + 1)
                after[hits] += chance * (1 - success)
                if hits < truth:
                    after[hits + 1] += chance * success
        for hits in np.flatnonzero(after > 0):
            low, high = possible_successes(int(hits), seen, total, prior=prior)
            if not low <= truth <= high:
                after[hits] = 0
        alive = after
    return 1 - float(alive.sum())


@pytest.mark.parametrize("total", [7, 40])
def test_the_chance_of_any_error_is_at_most_a_twentieth(total: int) -> None:
    chances = [chance_of_an_error(total, truth) for truth in range(total + 1)]
    assert max(chances) <= 0.05
    if total == 40:  # and the intervals are no wider than they have to be
        assert max(chances) > 0.01


@pytest.mark.parametrize("prior", [(0.5, 100.0), (0.5, 5.0), (30.0, 2.0)])
def test_the_chance_of_any_error_does_not_depend_on_the_prior(prior: Prior) -> None:
    chances = [chance_of_an_error(30, truth, prior) for truth in range(31)]
    assert 0 < max(chances) <= 0.05


@pytest.mark.parametrize("prior", [UNIFORM, (0.5, 100.0), (3.0, 0.25)])
@given(total=st.integers(1, 400), data=st.data())
def test_the_interval_is_that_of_the_ratio(prior: Prior, total: int, data: st.DataObject) -> None:
    seen = data.draw(st.integers(1, total))
    hits = data.draw(st.integers(0, seen))
    numbers = np.arange(hits, hits + total - seen + 1)
    # The posterior of what is not seen yet is beta-binomial: scipy's.
    posterior = betabinom(total - seen, hits + prior[0], seen - hits + prior[1]).pmf(numbers - hits)
    kept = numbers[betabinom(total, *prior).pmf(numbers) < 20 * posterior * (1 + 1e-9)]
    low, high = possible_successes(hits, seen, total, prior=prior)
    assert abs(low - kept[0]) <= 1 and abs(high - kept[-1]) <= 1  # a tie may round either way
    assert prior != UNIFORM or low / total <= hits / seen <= high / total


def test_once_all_are_seen_it_is_exact() -> None:
    found = anytime_share(30, 50, 50)
    assert found.low == found.value == found.high == 0.6


def test_a_difference_is_in_its_interval_at_every_moment() -> None:
    """Of 200 sets of 60 examples on which two classifiers differ on 20 at random: at most 5% ever leave it, plus chance."""
    random, wrong = np.random.default_rng(0), 0
    for _ in range(200):
        outcome = random.permutation(np.repeat([1, -1, 0], (5, 15, 40)))
        for seen in range(1, 61):
            more, less = int((outcome[:seen] > 0).sum()), int((outcome[:seen] < 0).sum())
            found = anytime_difference(more, less, seen, 60)
            assert found.low <= found.value <= found.high
            if not found.low <= -10 / 60 <= found.high:
                wrong += 1
                break
    assert wrong <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5
    assert (found.low, found.high) == (-10 / 60, -10 / 60)


def test_a_rule_is_decided_once_both_ends_agree() -> None:
    share = anytime_share(90, 100, 1000)
    assert decided(share, lambda value: value < 0.5) is False
    assert decided(share, lambda value: value < 0.99) is True
    assert decided(share, lambda value: value < 0.9) is None


@pytest.mark.parametrize("numbers", [(3, 2, 10), (1, 11, 10), (0, 0, 0), (-1, 2, 3)])
def test_numbers_that_do_not_fit_are_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="successes"):
        possible_successes(*numbers)
