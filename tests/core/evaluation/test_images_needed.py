"""How many images establish a difference: by the formula, and by simulation of the interval that eval reports."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from dlcli.core.evaluation.images_needed import images_needed, power_of_images
from dlcli.core.stats import paired_difference


@pytest.mark.parametrize(("effect", "share"), [(0.01, 0.05), (0.02, 0.1), (0.02, 0.04), (0.05, 0.2)])
def test_the_power_is_what_simulation_gives(effect: float, share: float):
    """Of 20,000 test sets of that size 80% have an interval (Tango 1998) above 0.

    Its test of no difference is McNemar's without correction, so no interval has to be computed.
    """
    n = images_needed(effect, share)
    random = np.random.default_rng(0)
    fixed, broken, _ = random.multinomial(n, [(share + effect) / 2, (share - effect) / 2, 1 - share], size=20_000).T
    above = fixed - broken > norm.ppf(0.975) * np.sqrt(fixed + broken)
    assert above.mean() == pytest.approx(0.8, abs=0.03)
    for k in range(5):
        place = np.arange(n)
        found = paired_difference(place < fixed[k], (place >= fixed[k]) & (place < fixed[k] + broken[k]))
        assert (found.low > 0) == above[k]
    assert power_of_images(n, effect, share) == pytest.approx(0.8, abs=0.002)


@given(st.floats(0.001, 0.3), st.floats(0, 0.6), st.floats(1, 20))
def test_the_number_is_the_smallest(effect: float, more: float, times: float):
    share = effect + more
    n = images_needed(effect, share, times=times)
    assert power_of_images(n, effect, share, times=times) >= 0.8 - 1e-9
    assert n == 1 or power_of_images(n - 1, effect, share, times=times) < 0.8 + 1e-9


def test_the_number_is_that_of_a_textbook():
    """(1.96 + 0.8416)^2 = 7.849 variances of effect^2: 7.849 (0.05 - 0.0001) / 0.0001."""
    assert images_needed(0.01, 0.05) == pytest.approx((norm.ppf(0.975) + norm.ppf(0.8)) ** 2 * 499, abs=1)
    assert images_needed(0.01, 0.05, times=3) == pytest.approx(3 * images_needed(0.01, 0.05), abs=3)
    assert power_of_images(10_000, 0.01, 0.05) == pytest.approx(norm.cdf(0.01 / sqrt(0.0499 / 10_000) - norm.ppf(0.975)))
