"""The fixed points of scaled ELUs: the paper's, another pair known to 16 digits, and integrals done numerically."""

from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from dlcli.core.layers.selu import AlphaDropout, ScaledELU, next_moments, solve_fixed_point
from dlcli.support.errors import UsageError


def test_the_papers_constants():
    point = solve_fixed_point(0, 1)
    assert point.alpha == pytest.approx(1.6732632423543772848170429916717, abs=1e-12)
    assert point.lam == pytest.approx(1.0507009873554804934193349852946, abs=1e-12)
    assert np.allclose(point.jacobian, [[0, 0.088835], [0, 0.782648]], atol=1e-6)
    assert point.radius == pytest.approx(0.782648, abs=1e-6)


def test_mean_0_and_variance_4():
    point = solve_fixed_point(0, 4)
    assert (point.alpha, point.lam) == pytest.approx((2.404005338216482, 1.070232274447111), abs=1e-12)
    assert next_moments(0, 4, point.alpha, point.lam) == pytest.approx((0, 4), abs=1e-12)


points = st.tuples(st.floats(-2, 0.6), st.floats(0.05, 30), st.floats(-0.5, 0.5), st.floats(0.5, 2))


@settings(max_examples=60, deadline=None)
@given(points)
def test_a_solution_is_a_fixed_point_and_its_jacobian_the_slope(values):
    mean, variance, omega, tau = values
    try:
        point = solve_fixed_point(mean, variance, omega=omega, tau=tau)
    except UsageError:
        return
    weights = {"omega": omega, "tau": tau}
    found = next_moments(mean, variance, point.alpha, point.lam, **weights)
    assert found == pytest.approx((mean, variance), rel=1e-7, abs=1e-7)
    step = 1e-6
    for column, (dm, dv) in enumerate(((step, 0), (0, step))):
        up = next_moments(mean + dm, variance + dv, point.alpha, point.lam, **weights)
        down = next_moments(mean - dm, variance - dv, point.alpha, point.lam, **weights)
        slope = [(a - b) / (2 * step) for a, b in zip(up, down, strict=True)]
        assert [row[column] for row in point.jacobian] == pytest.approx(slope, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("mean", "variance", "alpha", "lam", "omega", "tau"), [(0.3, 1.5, 1.2, 0.9, 0.7, 1.1), (-1, 4, 2, 1.1, 1, 0.5)]
)
def test_moments_are_the_integrals(mean, variance, alpha, lam, omega, tau):
    m, s = mean * omega, sqrt(variance * tau)
    f = ScaledELU(alpha, lam)

    def moment(power):
        def integrand(z):
            return (
                float(f(torch.tensor(z, dtype=torch.float64))) ** power
                * np.exp(-((z - m) ** 2) / (2 * s * s))
                / (s * sqrt(2 * np.pi))
            )

        return quad(integrand, m - 12 * s, m + 12 * s, points=[0.0], epsabs=1e-11)[0]

    first, second = moment(1), moment(2)
    assert next_moments(mean, variance, alpha, lam, omega=omega, tau=tau) == pytest.approx((first, second - first**2), abs=1e-8)


@pytest.mark.parametrize(("mean", "variance"), [(3, 1), (0, 0), (0, -1), (float("nan"), 1), (5, 0.1)])
def test_where_there_is_none_it_says_so(mean, variance):
    with pytest.raises(UsageError, match="no scaled ELU|variance must be above 0"):
        solve_fixed_point(mean, variance)


def test_large_variances_do_not_overflow():
    point = solve_fixed_point(0, 1e4)
    assert next_moments(0, 1e4, point.alpha, point.lam) == pytest.approx((0, 1e4), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5])
@pytest.mark.parametrize(("mean", "variance"), [(0, 1), (0, 4), (-0.5, 1)])
def test_alpha_dropout_keeps_mean_and_variance(p, mean, variance):
    n = 400_000
    x = torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * variance**0.5 + mean
    with torch.random.fork_rng():
        torch.manual_seed(1)  # another stream than that of x
        dropped = AlphaDropout(p, solve_fixed_point(mean, variance)).train()(x)
    assert float(dropped.mean()) == pytest.approx(mean, abs=5 * sqrt(variance / n))
    assert float(dropped.var()) == pytest.approx(variance, rel=0.02)


def test_alpha_dropout_is_torchs_at_0_and_1():
    """The same two values: what a kept 1 and what a dropped 1 become."""
    x = torch.ones(10_000)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mine = AlphaDropout(0.2, solve_fixed_point(0, 1)).train()(x)
        theirs = torch.nn.AlphaDropout(0.2).train()(x)
    assert torch.allclose(mine.unique(), theirs.unique(), atol=1e-5)


def test_alpha_dropout_by_maps_and_in_evaluation():
    x = torch.randn(50, 8, 3, 3)
    dropout = AlphaDropout(0.5, solve_fixed_point(0, 1), whole_maps=True).train()
    a, b = dropout.affine()
    kept = torch.isclose(dropout(x), a * x + b, atol=1e-6).flatten(2)
    assert torch.equal(kept.all(2), kept.any(2)) and 0.3 < float(kept.float().mean()) < 0.7
    assert torch.equal(dropout.eval()(x), x)
