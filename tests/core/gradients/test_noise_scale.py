"""The gradient noise scale, against gradients of known mean and covariance."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.gradients.noise_scale import gradient_noise
from dlcli.specs.estimates import PointEstimate

CPU = torch.device("cpu")


class Weights(nn.Module):
    """Outputs w * x, so that with the mean of the outputs as loss the gradient of an example is that example."""

    def __init__(self, d):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, d))

    def forward(self, x):
        return self.w * x.flatten(1)


def summed(outputs, y):
    return outputs.sum(1).mean()


def drawn(seed, n, d, mean):
    source = np.random.default_rng(seed)
    return torch.from_numpy(source.normal(mean / np.sqrt(d), 1, (n, d))).float()


def test_it_is_the_trace_over_the_squared_mean():
    d, found = 30, []
    for seed in range(40):
        x = drawn(seed, 640, d, 2.0)
        found.append(gradient_noise(Weights(d), x, torch.zeros(640), summed, device=CPU).scale.value)
    assert np.mean(found) == pytest.approx(d / 4, abs=4 * np.std(found) / np.sqrt(40) + 0.1)


@pytest.mark.parametrize(("n", "mean"), [(160, 1.5), (512, 1.0)])
def test_intervals_hold_the_truth(n, mean):
    d, held = 20, 0
    for seed in range(200):
        scale = gradient_noise(Weights(d), drawn(seed, n, d, mean), torch.zeros(n), summed, device=CPU).scale
        held += isinstance(scale, PointEstimate) or scale.low <= d / mean**2 <= scale.high
    assert held / 200 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)


def test_norm_and_layers_are_those_of_the_mean_gradient():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.ReLU(), nn.Linear(7, 3))
    x, y = torch.rand(64, 3, 2, 2), torch.arange(64) % 3
    before = copy.deepcopy(model.state_dict())
    found = gradient_noise(model, x, y, nn.functional.cross_entropy, device=CPU)
    nn.functional.cross_entropy(model(x), y).backward()
    gradients = {name: one.grad for name, one in model.named_parameters()}
    assert found.norm == pytest.approx(float(torch.cat([one.flatten() for one in gradients.values()]).norm()), rel=1e-5)
    assert set(found.layers) == {"1.weight", "3.weight"}
    for name, value in found.layers.items():
        assert value == pytest.approx(float(gradients[name].square().mean().sqrt()), rel=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_network_keeps_its_gradients_and_its_mode():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 2)).train()
    model(torch.rand(8, 12)).sum().backward()
    kept = [one.grad.clone() for one in model.parameters()]
    statistics = model[1].running_mean.clone()
    gradient_noise(model, torch.rand(40, 12), torch.zeros(40, dtype=torch.long), nn.functional.cross_entropy, device=CPU)
    assert all(torch.equal(one.grad, before) for one, before in zip(model.parameters(), kept, strict=True))
    assert model.training and torch.equal(model[1].running_mean, statistics)


def test_without_a_mean_there_is_no_interval():
    x = torch.cat([torch.ones(8, 4), -torch.ones(8, 4)])
    scale = gradient_noise(Weights(4), x, torch.zeros(16), summed, device=CPU).scale
    assert isinstance(scale, PointEstimate) and scale.value == float("inf")


def test_equal_gradients_have_no_noise():
    scale = gradient_noise(Weights(4), torch.ones(32, 4), torch.zeros(32), summed, device=CPU).scale
    assert scale.value == 0


def test_frozen_weights_are_left_out():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.Linear(7, 3))
    model[1].requires_grad_(False)
    x, y = torch.rand(32, 12), torch.arange(32) % 3
    found = gradient_noise(model, x, y, nn.functional.cross_entropy, device=CPU)
    assert set(found.layers) == {"2.weight"}
