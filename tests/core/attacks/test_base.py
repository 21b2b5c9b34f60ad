"""What the base class does for an attack that keeps no promise itself."""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks.base import Attack, Bounds
from dlcli.support.errors import NumericError

MODEL = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
X, Y = torch.tensor([0.0, 0.3, 0.5, 1.0]).reshape(1, 1, 2, 2).repeat(3, 1, 1, 1), torch.tensor([0, 1, 0])


class Wild(Attack):
    """Adds `change` to every value, whatever eps is."""

    norm = "linf"

    def __init__(self, change: float) -> None:
        self.change = change

    def run(self, model: nn.Module, x: Tensor, y: Tensor, *, eps: float, bounds: Bounds, generator: torch.Generator) -> Tensor:
        assert not model.training and not any(p.requires_grad for p in model.parameters())
        return x + self.change


def test_what_goes_beyond_eps_or_the_bounds_is_brought_back() -> None:
    up, down = Wild(9.0)(MODEL, X, Y, eps=0.4), Wild(-9.0)(MODEL, X, Y, eps=0.4)
    assert torch.allclose(up[0].flatten(), torch.tensor([0.4, 0.7, 0.9, 1.0]))
    assert torch.allclose(down[0].flatten(), torch.tensor([0.0, 0.0, 0.1, 0.6]))


def test_what_is_within_them_is_left() -> None:
    assert torch.allclose(Wild(0.25)(MODEL, X[..., :1, :].expand(3, 1, 2, 2), Y, eps=0.4)[0, 0, 0], torch.tensor([0.25, 0.55]))


def test_images_of_nan_never_come_out() -> None:
    with pytest.raises(NumericError):
        Wild(float("nan"))(MODEL, X, Y, eps=0.4)
