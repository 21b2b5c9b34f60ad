"""Weight decay by hand, for every optimizer, and the names of weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.compute.rng import generator
from dlcli.core.layers.normalise import normalised
from dlcli.core.training.loop import Training
from dlcli.core.training.parameter_groups import freeze, named_weights
from dlcli.core.training.recipe import OPTIMIZERS, Recipe
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT
from dlcli.support.seeds import derive

CPU = torch.device("cpu")
X, Y = torch.rand(12, 1, 6, 6, generator=generator(1)), torch.randint(3, (12,), generator=generator(2))
DECAY, LR = 0.3, 0.02


def network() -> nn.Module:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1)  # so that biases would shrink if they decayed
    return net


def trained(model: nn.Module, **changes: object) -> nn.Module:
    recipe = Recipe(
        **{"epochs": 1, "batch_size": 12, "optimizer": "sgd", "lr": LR, "dtype": "float32", "threads": 1, **changes}
    )
    with SILENT.task("") as task:
        Training(model, X, Y, recipe, seed=0, device=CPU).run_epoch(task)
    return model


def by_hand(name: str, weight: torch.Tensor, gradient: torch.Tensor, decay: float) -> torch.Tensor:
    """The first step of each optimizer, from its paper."""
    if name == "adamw":  # Loshchilov & Hutter 2019, algorithm 2
        return (1 - LR * decay) * weight - LR * gradient / (gradient.abs() + 1e-8)
    gradient = gradient + decay * weight
    if name == "sgd":
        return weight - LR * gradient
    if name == "adam":  # Kingma & Ba 2015, algorithm 1: both moments are unbiased after a step
        return weight - LR * gradient / (gradient.abs() + 1e-8)
    square = 0.1 * gradient**2  # Zeiler 2012, algorithm 1, rho 0.9
    return weight - LR * gradient * (1e-6) ** 0.5 / (square + 1e-6).sqrt()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_decay_and_biases_and_gains_do_not(name: str):
    reference = network()
    gradients = torch.autograd.grad(F.cross_entropy(reference(X), Y), list(reference.parameters()))
    model = trained(network(), optimizer=name, weight_decay=DECAY)
    for key, found, weight, gradient in zip(
        named_weights(model), model.parameters(), reference.parameters(), gradients, strict=True
    ):
        expected = by_hand(name, weight, gradient, DECAY if key in ("0.weight", "4.weight") else 0.0)
        # All but SGD divide by the gradient: where that is nearly 0, as for a bias in front of batch norm, rounding decides.
        sure = (gradient.abs() > 1e-4) | torch.tensor(name == "sgd")
        torch.testing.assert_close(found[sure], expected[sure], rtol=1e-6, atol=1e-6)
        assert sure.any() or key == "0.bias"


def test_momentum_by_hand():
    weight, reference = network(), network()
    trained(weight, epochs=1, batch_size=6, options={"momentum": 0.7})
    order = torch.randperm(12, generator=generator(derive(0, "order")))
    velocity = [torch.zeros_like(parameter) for parameter in reference.parameters()]
    for batch in order.tensor_split(2):
        gradients = torch.autograd.grad(F.cross_entropy(reference(X[batch]), Y[batch]), list(reference.parameters()))
        with torch.no_grad():
            for speed, parameter, gradient in zip(velocity, reference.parameters(), gradients, strict=True):
                speed.mul_(0.7).add_(gradient)
                parameter.sub_(LR * speed)
    for found, expected in zip(weight.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_weight_decay_replaces_that_of_the_options():
    plain, decayed = (trained(network(), options={"weight_decay": 0.5}, weight_decay=decay) for decay in (0.0, None))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), trained(network()).parameters(), strict=True))
    assert not torch.equal(plain[0].weight, decayed[0].weight)


def test_names_are_those_of_the_file_of_weights():
    inner = network()
    inner.tied = inner[4]
    wrapped = normalised(inner, "0.5/0.5")
    assert list(named_weights(wrapped)) == ["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"]
    assert all(a is b for a, b in zip(named_weights(wrapped).values(), inner.parameters(), strict=True))


def trained_at(**changes: object) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """A network after a step of SGD without decay, and the gradients of that step by name, with batch norm in training mode."""
    reference = network()
    gradients = torch.autograd.grad(F.cross_entropy(reference(X), Y), list(reference.parameters()))
    return trained(network(), **changes), dict(zip(named_weights(reference), gradients, strict=True))


def test_each_parameter_moves_by_its_own_rate():
    model, gradients = trained_at(rates=(("4", 0.5), ("4.bias", 0.125), ("1", 0.25)))
    rate = {"4.weight": 0.5, "4.bias": 0.125, "1.weight": 0.25, "1.bias": 0.25}
    before = named_weights(network())
    for name, found in named_weights(model).items():
        torch.testing.assert_close(found, before[name] - rate.get(name, LR) * gradients[name], rtol=1e-6, atol=1e-6)


def test_the_schedule_takes_its_share_of_every_rate():
    whole, half = (trained_at(rates=(("4", 0.5),), **how)[0] for how in ({}, {"epochs": 2, "warmup": 1.9}))
    before = named_weights(network())
    for name, found in named_weights(half).items():  # 2 steps of warm-up: the first is at half of each rate
        torch.testing.assert_close((found - before[name]) * 2, named_weights(whole)[name] - before[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw", "weight_decay": 0.5, "ema": 0.5, "options": {}}])
def test_what_is_frozen_stays_to_the_bit_with_its_statistics(settings: dict[str, object]):
    before, after = network().state_dict(), trained(network(), batch_size=4, freeze=("0", "1."), **settings).state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"4.weight", "4.bias"}


def test_a_frozen_part_is_in_evaluation_mode_and_the_rest_is_not():
    """The step by hand, with batch norm by its running statistics."""
    model, reference = trained(network(), freeze=("0", "1")), network()
    reference[1].eval()
    gradients = torch.autograd.grad(F.cross_entropy(reference(X), Y), [reference[4].weight, reference[4].bias])
    for found, weight, gradient in zip((model[4].weight, model[4].bias), reference[4].parameters(), gradients, strict=True):
        torch.testing.assert_close(found, weight - LR * gradient, rtol=1e-6, atol=1e-6)
    partly = Training(network(), X, Y, Recipe(1, 12, "sgd", LR, freeze=("1.weight",)), seed=0, device=CPU)
    assert partly.frozen == []  # its bias is trained


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": ("2",)}, "`freeze`: no parameter of the network is below '2'"),
        ({"freeze": ("0.w",)}, "`freeze`: no parameter of the network is below '0.w'"),
        ({"freeze": ("0", "1", "4")}, "`freeze` leaves nothing to train"),
        ({"rates": (("head", 0.1),)}, "`lr_for`: no parameter of the network is below 'head'"),
        ({"rates": (("4", 0.1), ("4.weight", 0.2), ("4.bias", 0.2))}, "nothing is trained at the rate of '4'"),
        ({"rates": (("0", 0.1),), "freeze": ("0",)}, "nothing is trained at the rate of '0'"),
    ],
)
def test_prefixes_without_effect_are_refused(changes: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        trained(network(), **changes)


def test_a_prefix_ends_with_a_whole_part_of_a_name():
    model = nn.ModuleDict({"layer1": nn.Linear(1, 1), "layer10": nn.Linear(1, 1)})
    freeze(model, ["layer1"])
    assert [name for name, weight in model.named_parameters() if not weight.requires_grad] == ["layer1.weight", "layer1.bias"]
