"""The share of the variance between groups against scipy's analysis of variance, and how often its interval holds the truth."""

import numpy as np
import pytest
from scipy import stats

from dlcli.core.variance_share import share_between


@pytest.mark.parametrize("shape", [(3, 2), (5, 3), (12, 2)])
def test_value_and_interval_follow_from_the_f_ratio(shape: tuple[int, int]):
    groups, k = shape
    table = np.random.default_rng(groups).normal(size=shape) + 2 * np.random.default_rng(k).normal(size=(groups, 1))
    f = stats.f_oneway(*table).statistic
    found, of = share_between(table), stats.f(groups - 1, groups * (k - 1))
    assert found.value == pytest.approx(max(0, (f - 1) / (f + k - 1)), rel=1e-9) and found.n == groups * k
    # At each end of the interval the F ratio that was seen has a tail of 2.5%: F (1 + k r / (1 - r))^-1 is F-distributed.
    tails = [of.cdf(f / (1 + k * end / (1 - end))) for end in (found.low, found.high) if 0 < end < 1]
    assert tails and all(min(tail, 1 - tail) == pytest.approx(0.025, rel=1e-6) for tail in tails)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_the_interval_holds_the_truth_in_95_of_100_samples(share: float):
    source, n = np.random.default_rng(7), 2000
    held = 0
    for _ in range(n):
        table = np.sqrt(1 - share) * source.normal(size=(4, 2)) + np.sqrt(share) * source.normal(size=(4, 1))
        found = share_between(table)
        held += found.low <= share <= found.high
        assert 0 <= found.low <= found.value <= found.high <= 1
    assert abs(held / n - (0.975 if share == 0 else 0.95)) < 4 * np.sqrt(0.05 * 0.95 / n)


def test_without_variance_nothing_is_known():
    flat, within = share_between(np.ones((3, 2))), share_between([[0.0, 0.0], [1.0, 1.0]])
    assert (flat.value, flat.low, flat.high) == (0, 0, 1) and (within.value, within.low, within.high) == (1, 0, 1)
    with pytest.raises(ValueError, match="two groups"):
        share_between([[1.0, 2.0]])
