"""DeepFool: exact on a linear classifier in one step, and algorithm 2 of its paper written out for one image."""

import copy

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks.methods.deepfool import DeepFool

Trained = tuple[nn.Module, Tensor, Tensor]
NORMS = ["linf", "l2"]


def written_out(model: nn.Module, x: Tensor, y: int, norm: str, steps: int, rivals: int) -> tuple[Tensor, int]:
    """One image (1, ...), in float64; the image found and how many steps it took."""
    order = [k for k in model(x)[0].argsort(descending=True).tolist() if k != y][:rivals]
    total = torch.zeros_like(x)
    for step in range(steps):
        at = (x + 1.02 * total).clamp(0, 1).requires_grad_(True)
        logits = model(at)[0]
        if int(logits.argmax()) != y:
            return at.detach(), step
        best = None
        for k in order:
            (w,) = torch.autograd.grad(logits[k] - logits[y], at, retain_graph=True)
            dual = float(w.abs().sum() if norm == "linf" else w.norm())
            distance = float((logits[k] - logits[y]).detach().abs()) / dual
            if best is None or distance < best[0]:
                best = (distance, w.sign() if norm == "linf" else w / dual)
        total = total + (best[0] + 1e-4) * best[1]
    return (x + 1.02 * total).clamp(0, 1), steps


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("rivals", [2, 9])
def test_it_is_the_algorithm_of_the_paper(norm: str, rivals: int, trained: Trained) -> None:
    model, x, y = copy.deepcopy(trained[0]).double().requires_grad_(False), trained[1][:25].double(), trained[2][:25]
    found = DeepFool(classes=rivals).nearest(model, x, y, norm=norm, batch_size=7)
    expected_runs = [written_out(model, x[k : k + 1], int(y[k]), norm, 50, rivals) for k in range(len(x))]
    assert torch.allclose(found.images, torch.cat([image for image, _ in expected_runs]), atol=1e-9)
    assert max(steps for _, steps in expected_runs) >= 2 and bool(found.success.all())


@pytest.mark.parametrize("norm", NORMS)
def test_a_linear_classifier_takes_one_step_to_the_nearest_boundary(norm: str) -> None:
    source = torch.Generator().manual_seed(2)
    layer = nn.Linear(6, 5).double().requires_grad_(False)
    layer.weight.data = torch.randn(5, 6, generator=source, dtype=torch.float64)
    model, x = nn.Sequential(nn.Flatten(), layer), torch.randn(40, 1, 2, 3, generator=source, dtype=torch.float64)
    logits = model(x)
    y, rows = logits.argmax(1), torch.arange(40)
    lead = logits[rows, y][:, None] - logits
    differences = layer.weight[y][:, None] - layer.weight
    distance = lead / torch.linalg.vector_norm(differences, ord=1 if norm == "linf" else 2, dim=2)
    best = distance.masked_fill(torch.arange(5) == y[:, None], torch.inf).amin(1)
    found = DeepFool(steps=1, overshoot=0.02).nearest(model, x, y, norm=norm, bounds=(-20.0, 20.0))
    assert bool(found.success.all())
    assert torch.allclose(found.norms, 1.02 * (best + 1e-4 * 40), atol=1e-12)


def test_images_that_succeed_cost_no_more_passes(trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:40], trained[2][:40]
    seen: list[int] = []
    hook = model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    try:
        DeepFool(steps=50)(model, x, y, eps=0.4, batch_size=8)
    finally:
        hook.remove()
    assert sum(seen) < 8 * len(x)
