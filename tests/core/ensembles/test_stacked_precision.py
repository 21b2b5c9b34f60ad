"""Networks that are stacked are in one precision throughout: never some layers in bfloat16 and others in float32."""

import copy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from dlcli.core.compute.rng import generator
from dlcli.core.ensembles import stacked
from dlcli.core.ensembles.stacked import StackedModel, StackedTraining
from dlcli.core.ensembles.stacked_precision import reduced_throughout
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

CPU, HALF = torch.device("cpu"), torch.bfloat16


def _mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3))


def _lenet():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 3))


def _convolutions():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 6), nn.Flatten())


def _normed():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 6, bias=False), nn.BatchNorm1d(6), nn.Linear(6, 3))


class Functional(nn.Module):
    """Its products are those of no layer."""

    def __init__(self):
        super().__init__()
        self.kernel, self.weight = nn.Parameter(torch.rand(2, 1, 3, 3)), nn.Parameter(torch.rand(72, 3))

    def forward(self, x):
        return nn.functional.conv2d(x, self.kernel).flatten(1) @ self.weight


NETWORKS = [_mlp, _lenet, _convolutions, _normed, Functional]


class _Types(TorchDispatchMode):
    """The dtypes of the inputs of products with weights, in the forward and the backward pass."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("mm", "addmm", "bmm", "baddbmm") or name.startswith("conv"):
            self.seen |= {one.dtype for one in args if isinstance(one, torch.Tensor)}
        return func(*args, **(kwargs or {}))


def _training(make, dtype, device=CPU, **changes):
    x, y = torch.rand(12, 1, 8, 8, generator=generator(0)), torch.arange(12) % 3
    recipe = Recipe(**{"epochs": 1, "batch_size": 6, "optimizer": "sgd", "lr": 0.1, **changes})
    return StackedTraining(
        [make(), make()], x, y, recipe, draws=[torch.arange(12)] * 2, seeds=(1, 2), device=device, dtype=dtype
    )


@pytest.mark.parametrize("make", NETWORKS)
def test_every_product_of_a_training_has_one_dtype(make):
    training = _training(make, HALF)
    with _Types() as types, SILENT.task("") as task:
        training.run_epoch(task)
    assert types.seen == {training.dtype}


@pytest.mark.parametrize("make", NETWORKS)
def test_half_is_used_only_where_it_reaches_every_product(make):
    stack = StackedModel([make(), make()])
    assert _training(make, torch.float32).dtype == torch.float32
    assert (_training(make, HALF).dtype == HALF) == reduced_throughout(stack, torch.rand(2, 2, 1, 8, 8), HALF)


def test_autocast_reaches_linear_layers_and_not_convolutions_of_a_cpu():
    """If a version of torch changes this, `NETWORKS` must still hold a network of each kind."""
    images = torch.rand(2, 2, 1, 8, 8)
    assert [reduced_throughout(StackedModel([make(), make()]), images, HALF) for make in (_mlp, _lenet)] == [True, False]


@pytest.mark.parametrize("make", [_lenet, _mlp])
def test_the_check_changes_nothing(make):
    stack = StackedModel([nn.Sequential(make(), nn.Dropout(0.5), nn.BatchNorm1d(3)) for _ in range(2)]).eval()
    images = torch.rand(2, 2, 1, 8, 8)
    before, random = copy.deepcopy(stack.state_dict()), torch.get_rng_state()
    with torch.no_grad():
        reduced_throughout(stack, images, HALF)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in stack.state_dict().items())
    assert not any(module.training for module in stack.modules())
    assert all(weight.grad is None for weight in stack.parameters())


def test_no_memory_for_the_check_is_an_error():
    class Full(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError):
        reduced_throughout(Full(), torch.rand(2, 2, 1, 8, 8), HALF)


def test_a_cpu_trains_stacked_networks_in_float32_unless_asked(monkeypatch):
    monkeypatch.setattr(stacked, "resolve_dtype", lambda recipe, device: HALF)
    assert (_training(_mlp, None).dtype, _training(_mlp, None).notes) == (torch.float32, ())
    assert _training(_mlp, HALF).dtype == HALF


@pytest.mark.parametrize(("sound", "dtype"), [(True, HALF), (False, torch.float32)])
def test_another_device_takes_the_recipes_precision_if_the_check_allows(sound, dtype, monkeypatch):
    """The check runs on the device itself, once the networks are there."""
    asked = []

    def check(stack, images, wanted):
        asked.append(({weight.device.type for weight in stack.parameters()}, images.device.type, images.shape, wanted))
        return sound

    monkeypatch.setattr(stacked, "why_not_stackable", lambda models, sample: None)
    monkeypatch.setattr(stacked, "resolve_dtype", lambda recipe, device: HALF)
    monkeypatch.setattr(stacked, "reduced_throughout", check)
    training = _training(_mlp, None, torch.device("meta"))
    assert asked == [({"meta"}, "meta", (2, 2, 1, 8, 8), HALF)]
    assert training.dtype == dtype
    assert [note for note in training.notes if "float32" in note] == (
        [] if sound else ["trained in float32: torch's autocast does not reach all layers of networks that are stacked"]
    )
