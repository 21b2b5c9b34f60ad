"""FMN against algorithm 1 of its paper, written out for one image."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks.methods.fmn import FMN

Trained = tuple[nn.Module, Tensor, Tensor]


def written_out(model: nn.Module, x: Tensor, y: int, norm: str, steps: int) -> tuple[Tensor, float]:
    """The best change of one image (1, ...) and its length; infinity for none."""

    def length(change: Tensor) -> float:
        return float(change.norm({"linf": torch.inf, "l2": 2, "l1": 1}[norm]))

    delta, best, shortest, eps = torch.zeros_like(x), torch.zeros_like(x), math.inf, 0.0
    for k in range(steps + 1):
        at = (x + delta).requires_grad_(True)
        logits = model(at)[0]
        loss = logits[[j for j in range(len(logits)) if j != y]].max() - logits[y]
        (g,) = torch.autograd.grad(loss, at)
        fall = (1 + math.cos(math.pi * k / steps)) / 2
        if float(loss.detach()) > 0:
            if length(delta) < shortest:
                best, shortest = delta, length(delta)
            eps = min(eps * (1 - 0.05 * fall), shortest)
        elif shortest < math.inf:
            eps *= 1 + 0.05 * fall
        else:
            eps = 1.001 * (
                length(delta) + abs(float(loss.detach())) / float(g.norm({"linf": 1, "l2": 2, "l1": torch.inf}[norm]))
            )
        delta = delta + fall * g / g.norm()
        delta = held(delta, eps, norm)
        delta = (x + delta).clamp(0, 1) - x
    return best, shortest


def held(delta: Tensor, eps: float, norm: str) -> Tensor:
    """The projection of one change into the ball; for l1 after Duchi et al. 2008, figure 1."""
    if norm == "linf":
        return delta.clamp(-eps, eps)
    if norm == "l2":
        return delta * min(1.0, eps / max(float(delta.norm()), 1e-300))
    if eps == 0 or float(delta.abs().sum()) <= eps:
        return delta if eps else torch.zeros_like(delta)
    ordered = delta.abs().flatten().sort(descending=True).values
    shrunk = (ordered.cumsum(0) - eps) / torch.arange(1, len(ordered) + 1)
    by = shrunk[int((ordered > shrunk).nonzero()[-1])]
    return delta.sign() * (delta.abs() - by).clamp_min(0)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_it_is_the_algorithm_of_the_paper(norm: str, trained: Trained) -> None:
    model, x, y = copy.deepcopy(trained[0]).double().requires_grad_(False), trained[1][:20].double(), trained[2][:20]
    found = FMN(steps=25).nearest(model, x, y, norm=norm, batch_size=6)
    expected_runs = [written_out(model, x[k : k + 1], int(y[k]), norm, 25) for k in range(len(x))]
    right = torch.tensor([norm > 0 for _, norm in expected_runs])
    expected = torch.tensor([norm for _, norm in expected_runs], dtype=torch.float64)
    assert torch.allclose(found.norms[right], expected[right], rtol=1e-6) and int(right.sum()) >= 18
    if norm == "l1":
        return  # several changes have the least norm, and rounding decides between them
    assert torch.allclose((found.images - x)[right], torch.cat([change for change, _ in expected_runs])[right], atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_more_steps_come_nearer(norm: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:40], trained[2][:40]
    few, many = (FMN(steps=n).nearest(model, x, y, norm=norm).norms.median() for n in (5, 100))
    assert float(many) < 0.98 * float(few)
