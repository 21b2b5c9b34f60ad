import re

import pytest
import torch
from torch import nn

from dlcli.core.compute.forward import OpaqueNetwork
from dlcli.core.explain.base import ExplainSettings, classes, predicted_classes
from dlcli.core.explain.baselines import baseline
from dlcli.core.explain.methods.integrated_gradients import explain
from dlcli.support.errors import InputError
from tests.core.explain.networks import images, smooth


@pytest.mark.parametrize("name", ["mean", "blur", "grey"])
def test_attributions_add_up_to_the_difference_from_the_baseline(name):
    net, x = smooth(channels=3), images(5, channels=3, side=8)
    chosen = net(x).argmax(1)
    found = explain(net, x, classes(chosen), ExplainSettings(baseline=name, steps=64))
    with torch.no_grad():
        gap = (net(x) - net(baseline(x, name)))[range(5), chosen]
    torch.testing.assert_close(found.signed.sum((1, 2)), gap, atol=1e-4, rtol=1e-4)
    noted = re.search(r"up to (\S+)% of", found.note)
    assert noted and float(noted[1]) < 1


def test_the_noted_error_is_that_of_the_integral():
    class Square(nn.Module):
        def forward(self, x):
            return torch.stack([x.mean((1, 2, 3)) ** 3, x.sum((1, 2, 3))], 1)

    x = torch.ones(1, 1, 2, 2)
    found = explain(Square(), x, classes(torch.tensor([0])), ExplainSettings(baseline="grey", steps=1))
    # One step takes the gradient 3 t^2 at t = 0.75, so 0.84375 of 1 - 0.125 = 0.875: 3.57% are missing.
    assert float(found.signed.sum()) == pytest.approx(0.84375, abs=1e-6)
    assert "up to 3.6%" in found.note


def test_of_a_linear_network_it_is_the_weight_times_the_distance():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 2)), images(2, channels=3, side=4)
    found = explain(net, x, classes(torch.tensor([1, 0])), ExplainSettings(steps=3))
    weights = net[1].weight[[1, 0]].view(2, 3, 4, 4)
    expected = (weights * (x - x.mean((2, 3), keepdim=True))).sum(1)
    torch.testing.assert_close(found.signed, expected, atol=1e-6, rtol=1e-5)
    assert torch.equal(found.strength, found.signed.abs())


def test_a_network_without_gradients_is_refused():
    class Detached(nn.Module):
        def forward(self, x):
            return x.detach().flatten(1)[:, :3]

    x = images(2)
    with pytest.raises(InputError, match="no gradient") as refused:
        explain(Detached(), x, predicted_classes(Detached()(x)), ExplainSettings())
    assert "occlusion" in refused.value.hint


def test_a_program_without_gradients_is_refused():
    class Program(OpaqueNetwork):
        has_gradients = False

        def forward(self, x):
            return x.flatten(1)[:, :3]

    with pytest.raises(InputError, match="without gradients"):
        explain(Program(), images(2), classes(torch.tensor([0, 1])), ExplainSettings())
