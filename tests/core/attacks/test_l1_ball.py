"""The l1 ball within bounds, against optimality conditions and brute force."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from dlcli.core.attacks.l1_ball import into_l1_ball, l1_length, l1_step

SEEDS, EPS = st.integers(0, 2**32), st.floats(0.01, 4)


def uniform(*shape: int, seed: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seed=SEEDS, eps=EPS)
def test_no_point_of_the_ball_and_the_box_is_nearer(seed: int, eps: float) -> None:
    x, found = uniform(1, 6, seed=seed), 3 * uniform(1, 6, seed=seed + 1) - 1
    projected = into_l1_ball(found, x, eps, (0, 1))
    assert float(l1_length(projected - x)) <= eps and 0 <= float(projected.min()) <= float(projected.max()) <= 1
    # The set is convex: nearest is the point from which no other lies towards `found` (linear programming finds the furthest).
    towards = (found - projected)[0].numpy()
    best = linprog(
        np.concatenate([-towards, towards]),  # the change is what is added minus what is taken away
        A_ub=np.ones((1, 12)),
        b_ub=[eps],
        bounds=[*((0, 1 - one) for one in x[0].tolist()), *((0, one) for one in x[0].tolist())],
    )
    furthest = -best.fun + float(x[0].numpy() @ towards)
    assert float(projected[0].numpy() @ towards) >= furthest - 1e-7


@given(seed=SEEDS, eps=EPS)
def test_the_step_is_the_best_of_a_linear_function(seed: int, eps: float) -> None:
    x, gradient = uniform(1, 7, seed=seed), uniform(1, 7, seed=seed + 1) - 0.5
    step = l1_step(x, gradient, eps, (0, 1))
    assert float(l1_length(step)) <= eps + 1e-12
    slope = gradient[0].numpy()
    best = linprog(
        np.concatenate([-slope, slope]),
        A_ub=np.ones((1, 14)),
        b_ub=[eps],
        bounds=[*((0, 1 - one) for one in x[0].tolist()), *((0, one) for one in x[0].tolist())],
    )
    assert float((step * gradient).sum()) >= -best.fun - 1e-9


def test_each_image_has_its_own_radius() -> None:
    x, found = uniform(3, 2, 4, seed=0), uniform(3, 2, 4, seed=1) * 5
    radii = torch.tensor([0.1, 1.0, 3.0], dtype=torch.float64)
    together = into_l1_ball(found, x, radii)
    for k in range(3):
        assert torch.equal(together[k : k + 1], into_l1_ball(found[k : k + 1], x[k : k + 1], float(radii[k])))
    assert torch.allclose(l1_length(together - x), radii)


def test_a_projection_without_bounds_is_that_of_a_general_solver() -> None:
    found = np.array([1.4, -0.3, 0.9, 0.05])
    start = np.zeros(8)
    solved = minimize(
        lambda parts: ((parts[:4] - parts[4:] - found) ** 2).sum(),
        start,
        bounds=[(0, None)] * 8,
        constraints={"type": "ineq", "fun": lambda parts: 1.2 - parts.sum()},
        options={"ftol": 1e-14},
    ).x
    projected = into_l1_ball(torch.from_numpy(found)[None], torch.zeros(1, 4, dtype=torch.float64), 1.2)
    assert np.allclose(projected[0].numpy(), solved[:4] - solved[4:], atol=1e-5)
