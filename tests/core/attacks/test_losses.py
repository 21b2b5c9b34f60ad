"""The losses of Auto-PGD against their formulas and their invariances."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dlcli.core.attacks.losses import (
    cross_entropy,
    difference_of_logits_ratio,
    targeted_difference_of_logits_ratio,
)

ROWS = st.lists(st.integers(-1000, 1000), min_size=4, max_size=9, unique=True)


def dlr(z: list[float], y: int) -> float:
    """Equation 6, in words."""
    down = sorted(z, reverse=True)
    return -(z[y] - max(value for k, value in enumerate(z) if k != y)) / (down[0] - down[2])


def targeted(z: list[float], y: int, t: int) -> float:
    """Equation 8, in words."""
    down = sorted(z, reverse=True)
    return -(z[y] - z[t]) / (down[0] - (down[2] + down[3]) / 2)


def one(values: list[float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


@given(ROWS, st.data())
def test_both_are_their_formulas(z: list[float], data: st.DataObject) -> None:
    y, t = data.draw(st.permutations(range(len(z))))[:2]
    assert float(difference_of_logits_ratio(one(z), torch.tensor([y]))) == pytest.approx(dlr(z, y), rel=1e-12)
    found = targeted_difference_of_logits_ratio(one(z), torch.tensor([y]), torch.tensor([t]))
    assert float(found) == pytest.approx(targeted(z, y, t), rel=1e-12)


@given(ROWS, st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_neither_scale_nor_shift_changes_them(z: list[float], scale: float, shift: float) -> None:
    label, target_class = torch.tensor([0]), torch.tensor([1])
    there = one(z) * scale + shift
    for loss in (difference_of_logits_ratio, lambda z, y: targeted_difference_of_logits_ratio(z, y, target_class)):
        assert torch.allclose(loss(there, label), loss(one(z), label), rtol=1e-6, atol=1e-6)


@given(ROWS, st.integers(0, 3))
def test_the_sign_is_the_verdict(z: list[float], y: int) -> None:
    assert (float(difference_of_logits_ratio(one(z), torch.tensor([y]))) > 0) == (z[y] != max(z))


def test_the_ratio_has_a_slope_where_cross_entropy_has_none() -> None:
    z = torch.tensor([[200.0, 3.0, 2.0, 1.0]], requires_grad=True)
    flat, steep = (
        torch.autograd.grad(loss.sum(), z)[0]
        for loss in (cross_entropy(z, torch.tensor([0]), None), difference_of_logits_ratio(z, torch.tensor([0])))
    )
    assert not bool(flat.any()) and bool(steep.any())


def test_equal_logits_have_a_finite_loss_and_slope() -> None:
    z = torch.zeros(1, 5, requires_grad=True)
    for loss in (
        difference_of_logits_ratio(z, torch.tensor([0])),
        targeted_difference_of_logits_ratio(z, torch.tensor([0]), torch.tensor([1])),
    ):
        assert bool(loss.isfinite()) and bool(torch.autograd.grad(loss.sum(), z)[0].isfinite().all())
