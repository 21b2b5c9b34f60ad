"""Projections, steepest ascent and random points, against their definitions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dlcli.core.attacks.norms import NORMS

every = pytest.mark.parametrize("norm", NORMS)
ORDERS = {"linf": torch.inf, "l2": 2, "l1": 1}
DUALS = {"linf": 1, "l2": 2, "l1": torch.inf}
SEEDS, EPS = st.integers(0, 2**32), st.floats(1e-3, 30)


def normal(*shape: int, seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@every
@given(seed=SEEDS, eps=EPS, dtype=st.sampled_from([torch.float32, torch.float64]))
def test_a_projection_is_inside_and_is_its_own_projection_to_the_bit(
    norm: str, seed: int, eps: float, dtype: torch.dtype
) -> None:
    x, found = normal(4, 3, 5, 5, seed=seed, dtype=dtype), 4 * normal(4, 3, 5, 5, seed=seed + 1, dtype=dtype)
    projected = NORMS[norm].project(found, x, eps)
    length = (projected - x).double().flatten(1).norm(ORDERS[norm], dim=1)
    assert float(length.max()) <= eps * (1 + 1e-6) + 1e-6
    assert torch.equal(NORMS[norm].project(projected, x, eps), projected)


@every
@given(seed=SEEDS, eps=EPS)
def test_no_point_of_the_ball_is_nearer(norm: str, seed: int, eps: float) -> None:
    x, found = normal(1, 6, seed=seed, dtype=torch.float64), 4 * normal(1, 6, seed=seed + 1, dtype=torch.float64)
    projected, source = NORMS[norm].project(found, x, eps), torch.Generator().manual_seed(seed)
    others = x + eps * torch.stack([NORMS[norm].draw((6,), source) for _ in range(50)])
    nearer = others + 0.99 * (projected - others)  # the ball is convex: points between them and the projection are in it
    assert float((found - projected).norm()) <= float((found - torch.cat([others, nearer])).norm(dim=1).min()) + 1e-9


@every
def test_the_steepest_change_is_of_length_1_and_rises_most(norm: str) -> None:
    gradient = normal(5, 2, 3, seed=1, dtype=torch.float64)
    best = NORMS[norm].steepest(gradient)
    assert torch.allclose(NORMS[norm].length(best), torch.ones(5, dtype=torch.float64))
    # The rise is the dual norm of the gradient.
    dual = gradient.flatten(1).norm(DUALS[norm], dim=1)
    assert torch.allclose((best * gradient).flatten(1).sum(1), dual)


@every
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_a_tiny_or_huge_gradient_still_has_a_direction(norm: str, size: float) -> None:
    gradient = normal(2, 4, seed=1)
    assert torch.allclose(NORMS[norm].steepest(gradient * size), NORMS[norm].steepest(gradient), atol=1e-6)
    assert torch.equal(NORMS[norm].steepest(torch.zeros(2, 4)), torch.zeros(2, 4))


@every
@pytest.mark.parametrize("shape", [(1,), (3,), (2, 5)])
def test_points_are_uniform_in_the_ball(norm: str, shape: tuple[int, ...]) -> None:
    source = torch.Generator().manual_seed(3)
    points = torch.stack([NORMS[norm].draw(shape, source) for _ in range(3000)]).flatten(1)
    d = points.shape[1]
    length = points.norm(ORDERS[norm], dim=1)
    # The share of the volume within r is r^d in each ball, and every half space through the centre holds half.
    assert stats.kstest(length.numpy() ** d, "uniform").pvalue > 1e-3
    assert float(((points > 0).double().mean(0) - 0.5).abs().max()) < 5 * 0.5 / 3000**0.5
