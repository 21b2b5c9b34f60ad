"""Sample sizes, against published tables and simulated pilots."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit
from scipy.stats import ttest_1samp

from dlcli.core.sample_size import expected_power, pairs_needed

MOST = 100_000


@pytest.mark.parametrize(("effect", "needed"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_with_a_known_deviation_it_is_the_number_of_the_tables(effect, needed):
    """G*Power, two-sided paired t-test, alpha 0.05, power 0.80, for Cohen's small, medium and large effects."""
    assert pairs_needed(effect, 1, 0, most=MOST) == needed


def test_the_level_counts():
    # G*Power at alpha 0.01.
    assert pairs_needed(0.5, 1, 0, level=0.01, most=MOST) == 51


@pytest.mark.parametrize("pilots", [3, 6])
def test_pilots_and_studies_together_have_the_power_promised(pilots):
    rng = np.random.default_rng(pilots)
    found = []
    for _ in range(150):
        n = pairs_needed(0.6, float(rng.normal(size=pilots).std(ddof=1)), pilots - 1, most=MOST)
        studies = rng.normal(0.6, 1, (20, n))
        found.append(np.mean(ttest_1samp(studies, 0, axis=1).pvalue < 0.05))
    # Three standard errors of the mean over pilots, which are what varies.
    assert abs(np.mean(found) - 0.8) < 3 * np.std(found) / np.sqrt(len(found)) + 0.02


@given(n=st.integers(2, 60), effect=st.floats(0.01, 4))
def test_power_is_at_least_the_level_and_grows_with_pairs(n, effect):
    here, more = (expected_power(k, effect, 1, 0) for k in (n, n + 1))
    assert 0.05 - 1e-9 <= here <= more + 1e-9 <= 1 + 2e-9


@given(effect=st.floats(0.05, 3), degrees=st.integers(1, 30))
def test_it_is_the_smallest_number_that_is_enough(effect, degrees):
    n = pairs_needed(effect, 1, degrees, most=MOST)
    assert n is None or expected_power(n, effect, 1, degrees) >= 0.8
    if n is not None and n > 2:
        assert expected_power(n - 1, effect, 1, degrees) < 0.8


def test_power_of_simulated_studies():
    rng = np.random.default_rng(0)
    studies = rng.normal(0.7, 1, (20_000, 8))
    t = studies.mean(1) / studies.std(1, ddof=1) * np.sqrt(8)
    share = np.mean(np.abs(t) > stdtrit(7, 0.975))
    assert expected_power(8, 0.7, 1, 0) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(t)))


def test_no_number_is_enough():
    assert pairs_needed(1e-6, 1, 0, most=1000) is None


def test_without_spread_two_pairs_are_enough():
    assert pairs_needed(0.1, 0, 2, most=MOST) == 2
