"""Thresholds of abstention: their definition, and that the bound on errors holds for further examples."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import beta

from dlcli.core.evaluation.abstention import abstention, risk_by_coverage


def drawn(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of an overconfident network, and whether it is right: at log-odds z, in sigmoid(0.7 z) of the cases."""
    z = np.abs(random.normal(5, 2, size=n))
    return expit(z), random.random(n) < expit(0.7 * z)


def test_errors_by_the_share_that_is_answered():
    confidence, correct = np.array([0.9, 0.8, 0.8, 0.6]), np.array([True, False, True, False])
    answered, errors = risk_by_coverage(confidence, correct)
    assert answered == pytest.approx([0.25, 0.75, 1]) and errors == pytest.approx([0, 1 / 3, 0.5])


def test_what_is_always_right_is_always_answered_and_what_is_not_never():
    confidence = np.linspace(0.5, 1, 2000)
    found = abstention(confidence, np.ones(2000, dtype=bool), 0.01)
    assert (found.threshold, found.answered.value, found.errors.value) == (0.5, 1, 0) and 0 < found.errors.high <= 0.01
    assert abstention(confidence, np.arange(2000) % 2 == 0, 0.01).threshold is None
    assert abstention(np.full(50, 0.9), np.ones(50, dtype=bool), 0.01).threshold is None  # too few examples to tell


def bounds(confidence: np.ndarray, correct: np.ndarray) -> dict[float, float]:
    """By confidence, the upper bound of Clopper and Pearson of the errors from it on, at 2.5% over the tries of a bisection."""
    levels = sorted(set(confidence.tolist()))
    level = 0.025 / max(1, (len(levels)).bit_length())
    above = [(one, ~correct[confidence >= one]) for one in levels]
    return {one: float(beta.ppf(1 - level, e.sum() + 1, (~e).sum())) if (~e).any() else 1.0 for one, e in above}


@given(seed=st.integers(0, 10_000), n=st.integers(1, 300), risk=st.sampled_from([0.05, 0.2, 0.5]))
def test_the_bound_holds_at_what_is_found_and_not_at_the_next_lower_confidence(seed: int, n: int, risk: float):
    random = np.random.default_rng(seed)
    confidence = random.integers(50, 100, size=n) / 100
    correct = random.random(n) < random.uniform(0.5, 1, size=50)[(100 * confidence).round().astype(int) - 50]
    found, bound = abstention(confidence, correct, risk), bounds(confidence, correct)
    levels = sorted(bound)
    place = len(levels) if found.threshold is None else levels.index(found.threshold)
    assert place == len(levels) or bound[levels[place]] <= risk * (1 + 1e-9)
    assert place == 0 or bound[levels[place - 1]] > risk * (1 - 1e-9)


def test_a_lower_threshold_may_hold_too():
    """All is bounded, but in the middle are the errors, and bisection asks there first."""
    confidence = np.linspace(0.5, 0.999, 500)
    correct = np.abs(np.arange(500) - 270) > 14
    found, bound = abstention(confidence, correct, 0.1), bounds(confidence, correct)
    assert found.threshold is not None and found.threshold > 0.75 and bound[0.5] <= 0.1


@pytest.mark.parametrize("risk", [0.05, 0.1])
def test_the_bound_holds_for_further_examples(risk: float):
    """Of 300 test sets at most 5% have a threshold whose errors, among 200,000 further examples, are above the risk."""
    more, right = drawn(np.random.default_rng(1), 200_000)
    order = np.argsort(more)
    above, wrong = more[order], np.cumsum((~right[order])[::-1])[::-1] / np.arange(len(more), 0, -1)
    random, over, chosen = np.random.default_rng(0), 0, 0
    for _ in range(300):
        threshold = abstention(*drawn(random, 2000), risk).threshold
        if threshold is not None:
            chosen += 1
            over += wrong[min(np.searchsorted(above, threshold), len(more) - 1)] > risk
    assert chosen > 100 and over / 300 <= 0.05 + 3 * sqrt(0.05 * 0.95 / 300)


def test_groups_make_it_more_careful():
    confidence, correct = drawn(np.random.default_rng(0), 600)
    several = [one.repeat(8) for one in (confidence, correct)]
    alone, grouped = abstention(*several, 0.05), abstention(*several, 0.05, np.arange(600).repeat(8))
    assert grouped.threshold is None or grouped.threshold > alone.threshold
