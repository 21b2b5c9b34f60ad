"""On a linear classifier the strongest attack is known in closed form, and every attack with gradients must reach it.

Of two classes with scores 0 and w.x + b, a change d moves the margin by w.d: in the ball of eps by eps times the dual norm of
w at most. Two more classes that never win let the attacks take part that need them.
"""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.attacks.base import Attack

NAMES = [name for name in REGISTRY.names() if load_attack(name).knowledge == "gradients"]
CASES = [(name, norm) for name in NAMES for norm in load_attack(name).norms]
WIDE = (-9.0, 9.0)


class Linear(nn.Module):
    """Logits 0, w.x + b and twice -50."""

    def __init__(self) -> None:
        super().__init__()
        source = torch.Generator().manual_seed(4)
        self.w = nn.Parameter(torch.randn(9, dtype=torch.float64, generator=source))
        self.b = 0.1

    def margin(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w + self.b

    def forward(self, x: Tensor) -> Tensor:
        margin = self.margin(x)
        zero = torch.zeros_like(margin)
        return torch.stack([zero, margin, zero - 50, zero - 50], dim=1)


MODEL = Linear().requires_grad_(False)
X = torch.randn(100, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
Y = (MODEL.margin(X) + torch.randn(100, generator=torch.Generator().manual_seed(6)) > 0).long()
SIDE = 2.0 * Y - 1


def quick(name: str) -> Attack:
    """The attack with settings for a straight ascent: fewer steps, and long ones that overcome a random start."""
    options = {"pgd": {"step_size": 2.0}, "cw": {"steps": 60, "searches": 6}, "auto": {"steps": 30, "queries": 100}}
    return load_attack(name).with_options(**options.get(name, {"steps": 30} if name.startswith("apgd") else {}))


def max_gain(eps: float, norm: str) -> float:
    """How far the margin can be moved."""
    return eps * float(MODEL.w.norm({"linf": 1, "l2": 2, "l1": torch.inf}[norm]))


@pytest.mark.parametrize(("name", "norm"), CASES)
@pytest.mark.parametrize("aimed", [False, True])
def test_the_strongest_change_is_found(name: str, norm: str, aimed: bool) -> None:
    attack = quick(name)
    if aimed and not attack.targeted:
        pytest.skip("it does not support targets")
    found = attack(MODEL, X, Y, eps=0.2, norm=norm, full=True, bounds=WIDE, targets=1 - Y if aimed else None)
    assert torch.allclose(MODEL.margin(found), MODEL.margin(X) - SIDE * max_gain(0.2, norm), atol=1e-6)


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_the_robust_accuracy_is_exact(name: str, norm: str) -> None:
    eps = 0.6 if norm == "l1" else 0.2
    robust = SIDE * MODEL.margin(X) > max_gain(eps, norm)
    assert 0.2 < float(robust.double().mean()) < 0.8
    found = quick(name)(MODEL, X, Y, eps=eps, norm=norm, bounds=WIDE, batch_size=32)
    assert torch.equal(MODEL(found).argmax(1) == Y, robust)


@pytest.mark.parametrize(("name", "norm"), [case for case in CASES if case[0] != "fgsm"])
def test_images_that_are_wrong_already_are_left(name: str, norm: str) -> None:
    wrong = MODEL(X).argmax(1) != Y
    found = quick(name)(MODEL, X, Y, eps=0.2, norm=norm, bounds=WIDE)
    assert bool(wrong.any()) and torch.equal(found[wrong], X[wrong])
    assert bool((found[~wrong] != X[~wrong]).flatten(1).any(1).all())
