"""MI-FGSM against algorithm 1 of its paper, written out for one image at a time."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.attacks import load_attack

Trained = tuple[nn.Module, Tensor, Tensor]


def by_the_paper(model: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int, momentum: float, norm: str) -> Tensor:
    """One image (1, ...): g_{t+1} = mu g_t + J / |J|_1, then a step of eps / T along its sign (l2: its direction)."""
    found, g = x.clone(), torch.zeros_like(x)
    for _ in range(steps):
        found = found.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(cross_entropy(model(found), y), found)
        g = momentum * g + gradient / gradient.abs().sum()
        change = found.detach() + eps / steps * (g.sign() if norm == "linf" else g / g.norm()) - x
        change = change.clamp(-eps, eps) if norm == "linf" else change * min(1.0, eps / float(change.norm()))
        found = (x + change).clamp(0, 1)
    return found


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_it_is_algorithm_1(norm: str, momentum: float, trained: Trained) -> None:
    model, x, y = copy.deepcopy(trained[0]).double(), trained[1][:20].double(), trained[2][:20]
    expected = torch.cat(
        [by_the_paper(model, image, label, 0.3, 6, momentum, norm) for image, label in zip(x.split(1), y.split(1), strict=True)]
    )
    found = load_attack("mifgsm").with_options(steps=6, momentum=momentum)(model, x, y, eps=0.3, norm=norm, full=True)
    assert float((found - expected).abs().max()) < 1e-9


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_momentum_it_is_bim(norm: str, trained: Trained) -> None:
    model, x, y = copy.deepcopy(trained[0]).double(), trained[1][:40].double(), trained[2][:40]
    bim, still = (
        attack(model, x, y, eps=0.2, norm=norm, full=True)
        for attack in (load_attack("bim"), load_attack("mifgsm").with_options(momentum=0.0))
    )
    moving = load_attack("mifgsm")(model, x, y, eps=0.2, norm=norm, full=True)
    assert torch.allclose(bim, still, atol=1e-9) and not torch.allclose(bim, moving, atol=1e-3)
