"""Optimizers of a recipe."""

import pytest
import torch
from torch import nn

from dlcli.core.training.recipe import OPTIMIZERS, Recipe, build_optimizer


def stepped(name: str) -> torch.Tensor:
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = build_optimizer(Recipe(1, 8, name, 0.1), [weight], torch.device("cpu"))
    weight.grad = torch.tensor([0.5, -0.5])
    optimizer.step()
    return weight.detach()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_on_the_cpu_asks_no_gpu(name: str, monkeypatch: pytest.MonkeyPatch):
    expected = stepped(name)

    def fail(*args: object, **options: object) -> None:
        raise AssertionError("a GPU was asked")

    monkeypatch.setattr(torch.cuda, "is_available", fail)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", fail)
    assert torch.equal(stepped(name), expected) and not torch.equal(expected, torch.tensor([1.0, -2.0]))
