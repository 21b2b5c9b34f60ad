"""Losses of masks: as closed forms have them, blind to pixels without a class, and weighted as asked."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from dlcli.core.objectives import OBJECTIVES
from dlcli.core.objectives.base import MaskObjective
from dlcli.specs.masks import MASK_LOSSES

CLASSES = ("a", "b", "c")


def loss(name: str, weights: torch.Tensor | None = None) -> MaskObjective:
    found: MaskObjective = OBJECTIVES.module(name).MASK_OBJECTIVE(CLASSES, weights)
    return found


def example(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    outputs = torch.randn(4, 3, 5, 6, generator=source, dtype=torch.float64)
    return outputs, torch.randint(0, 3, (4, 5, 6), generator=source).to(torch.uint8)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 2.0])])
def test_cross_entropy_is_that_of_torch_on_the_pixels_that_count(weights: torch.Tensor | None):
    outputs, y = example()
    y[0, :2], y[1, 2:] = 255, 254
    there = y < 3
    own = None if weights is None else weights.double()
    expected = cross_entropy(outputs.permute(0, 2, 3, 1)[there], y[there].long(), weight=own)
    assert loss("cross-entropy", weights).loss(outputs, y).item() == pytest.approx(expected.item(), abs=1e-6)


def test_dice_is_its_definition():
    outputs, y = example(1)
    y[y == 2] = 255  # a class that is not there does not count
    p, there = outputs.softmax(1), y < 3
    shares = []
    for k in (0, 1):
        truth = (y == k) & there
        overlap, areas = p[:, k][truth].sum(), p[:, k][there].sum() + truth.sum()
        shares.append(1 - (2 * overlap + 1) / (areas + 1))
    assert loss("dice").loss(outputs, y).item() == pytest.approx(float(sum(shares) / 2), abs=1e-6)


def test_both_is_the_sum():
    outputs, y = example(2)
    parts = [loss(name).loss(outputs, y).item() for name in ("cross-entropy", "dice")]
    assert loss("both").loss(outputs, y).item() == pytest.approx(sum(parts), abs=1e-6)


@pytest.mark.parametrize("name", MASK_LOSSES)
def test_perfect_scores_have_no_loss_and_void_has_no_gradient(name: str):
    _, y = example(3)
    perfect = 50.0 * torch.nn.functional.one_hot(y.long(), 3).permute(0, 3, 1, 2).double()
    assert loss(name).loss(perfect, y).item() < 1e-3
    outputs, y = example(4)
    y[:, :, :3] = 255
    outputs.requires_grad_()
    loss(name).loss(outputs, y).backward()
    assert outputs.grad is not None and (outputs.grad[..., :3] == 0).all() and outputs.grad[..., 3:].abs().sum() > 0
    nothing = loss(name).loss(outputs.detach(), torch.full_like(y, 255))
    assert nothing.item() == 0.0


def test_parts_of_a_batch_weigh_as_many_pixels_as_count():
    outputs, y = example(5)
    y[0, :3] = 255
    found = loss("cross-entropy", torch.tensor([0.5, 1.0, 2.0]))
    whole = found.loss(outputs, y)
    parts = [found.loss(outputs[k : k + 2], y[k : k + 2]) * found.weight(y[k : k + 2]) for k in (0, 2)]
    assert (sum(parts) / found.weight(y)).item() == pytest.approx(whole.item(), abs=1e-6)
