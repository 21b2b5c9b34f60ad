"""Weights that read padding only: found by shape, and confirmed by their gradient."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.model_io.untrained import open_model
from dlcli.core.training.dead_taps import has_dead_taps
from dlcli.core.training.loop import Training
from dlcli.support.reporter import SILENT
from tests.core.models.zoo.test_zoo import _data


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize(("kernel", "padding", "dilation"), [(1, 0, 1), (3, 1, 1), (3, 0, 1), (5, 2, 1), (3, 2, 2), (2, 1, 1)])
def test_the_gradient_of_a_dead_tap_is_zero(size, stride, kernel, padding, dilation):
    """In float64, of a positive image and a sum, a weight has gradient 0 only if it reads no pixel."""
    layer = nn.Conv2d(1, 1, kernel, stride=stride, padding=padding, dilation=dilation).double()
    x = torch.rand(1, 1, size, size, dtype=torch.float64) + 1
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        pytest.skip("the kernel is larger than what it reads")
    F.conv2d(x, layer.weight, None, stride, padding, dilation).sum().backward()
    assert has_dead_taps(layer, x) == (stride > size and bool((layer.weight.grad == 0).any()))


def test_a_stride_of_one_has_no_dead_taps_and_hooks_are_removed():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Dropout(0.5), nn.Conv2d(2, 2, 3, stride=2, padding=1)).train()
    x, state = torch.rand(1, 1, 1, 1), torch.get_rng_state()
    assert not has_dead_taps(model[0], x)
    assert has_dead_taps(model, x)
    assert model.training and model[1].training
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(("size", "dtype"), [(16, torch.float32), (32, torch.bfloat16)])
def test_a_network_with_dead_taps_trains_in_float32_reproducibly(monkeypatch, size, dtype):
    monkeypatch.setattr("dlcli.core.training.recipe.fast_dtype", lambda device: torch.bfloat16)
    data = _data(3, (size, size), 4)
    arch = open_model("resnet18", data)
    ends = set()
    for _ in range(2):
        torch.manual_seed(0)
        recipe = replace(arch.recipe, epochs=1, batch_size=4)
        training = Training(arch.build(), data.x_train, data.y_train, recipe, seed=0, device=torch.device("cpu"))
        assert training.dtype == dtype
        with SILENT.task("") as task:
            training.run_epoch(task)
        ends.add(sum(parameter.detach().double().sum().item() for parameter in training.model.parameters()))
    assert len(ends) == 1
