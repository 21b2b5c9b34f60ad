import copy
from itertools import combinations

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.gradients.layer_signals import layer_signals
from dlcli.core.gradients.scalar_nets import set_batchnorm_statistics
from dlcli.core.layers.mlp_stack import mlp_stack

CPU = torch.device("cpu")
X = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.third(relu(self.second(self.act(self.first(x)))))


def network():
    torch.manual_seed(0)
    return Net()


def test_figures_are_those_of_the_activations():
    net = network()
    found = layer_signals(net, X, Derivative("logit", 2), device=CPU)
    assert [one.layer for one in found] == ["act", "relu"]
    with torch.no_grad():
        first = net.first(X).relu()
        second = net.second(first).relu()
    for one, values in zip(found, (first, second), strict=True):
        above = values > 0
        both = torch.stack([(above[a] & above[b]).double().mean() for a, b in combinations(range(9), 2)])
        assert one.units == 8
        assert one.mean == pytest.approx(float(values.mean()), rel=1e-5)
        assert one.variance == pytest.approx(float(values.var()), rel=1e-5)
        assert one.active == pytest.approx(float(above.double().mean()))
        assert one.coactive == pytest.approx(float(both.mean()))
        assert one.dead == pytest.approx(float((~above.any(0)).double().mean()))
    by_hand = net.third.weight[2].detach().expand(9, -1)
    assert found[1].gradient == pytest.approx(float(by_hand.square().mean().sqrt()), rel=1e-5)


def test_the_cosine_is_that_of_all_pairs_and_halves_a_layer_with_batch_normalisation():
    """Balduzzi et al. 2017, theorem 1: among inputs without correlation a quarter of all units, half of one's, is shared."""
    torch.manual_seed(0)
    net, derivative = mlp_stack("bn", 50, 2, 3, width=400), Derivative("logit", 0)
    x = torch.randn(40, 50)
    set_batchnorm_statistics(net, x)
    rows = layer_signals(net, x, derivative, device=CPU)
    for row in rows:
        gradients = input_gradients(net, x, Derivative("logit", 0, layer=row.layer), device=CPU).double()
        units = gradients / gradients.norm(dim=1, keepdim=True)
        by_hand = torch.stack([units[a] @ units[b] for a, b in combinations(range(len(x)), 2)]).mean()
        assert row.cosine == pytest.approx(float(by_hand), abs=1e-6)
    assert [row.cosine for row in rows] == pytest.approx([0.25, 0.5, 1.0], rel=0.3)


def figures(row):
    return [value for value in vars(row).values() if not isinstance(value, str)]


def test_figures_do_not_depend_on_how_many_inputs_are_looked_at_together(monkeypatch):
    net, derivative = network(), Derivative("loss", 1)
    whole = layer_signals(net, X, derivative, device=CPU)
    monkeypatch.setattr("dlcli.core.gradients.layer_signals.at_a_time", lambda most, x, device: 4)
    for one, other in zip(whole, layer_signals(net, X, derivative, device=CPU), strict=True):
        assert one.layer == other.layer
        assert figures(one) == pytest.approx(figures(other), rel=1e-5)


def test_a_constant_far_from_zero_has_no_variance():
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].bias.fill_(1000.3)
    assert layer_signals(net, X, Derivative("logit", 0), device=CPU)[0].variance == pytest.approx(0, abs=1e-6)


def test_names_are_paths_that_can_be_typed_even_where_a_module_serves_twice():
    from torchvision.models.resnet import BasicBlock

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), BasicBlock(4, 4), nn.Flatten(), nn.LazyLinear(2))
    net(torch.rand(2, 1, 6, 6))
    found = layer_signals(net, torch.rand(2, 1, 6, 6), Derivative("logit", 0), device=CPU)
    assert [one.layer for one in found] == ["1", "2.relu", "2.relu 2"]
    assert {one.layer.split()[0] for one in found} <= {path for path, _ in net.named_modules()}


def test_selu_by_surgery_is_known_as_selu_and_near_its_fixed_point():
    from dlcli.core.models.zoo.plain import build
    from dlcli.core.surgery import apply_surgery

    torch.manual_seed(0)
    x = torch.randn(64, 1, 8, 8)
    net, _ = apply_surgery(build(1, (8, 8), 10, depth=6), ["selu"], x[:1])
    found = layer_signals(net, x, Derivative("logit", 0), device=CPU)
    assert {one.kind for one in found} == {"selu"}
    # Klambauer et al. 2017: mean 0 and variance 1 stay, here within what 200 units and 64 inputs leave to chance.
    assert all(abs(one.mean) < 0.3 and 0.6 < one.variance < 1.6 for one in found)
    other, _ = apply_surgery(build(1, (8, 8), 10, depth=6), ["selu:0,4"], x[:1])
    assert {one.kind for one in layer_signals(other, x, Derivative("logit", 0), device=CPU)} == {"elu"}


def test_a_network_without_activations_has_no_rows():
    assert layer_signals(nn.Linear(6, 3), X, Derivative("logit", 0), device=CPU) == []


def test_dead_units_are_counted():
    net = network()
    with torch.no_grad():
        net.first.bias[:3] = -100
    assert layer_signals(net, X, Derivative("logit", 0), device=CPU)[0].dead >= 3 / 8


def test_a_channel_that_is_above_zero_somewhere_is_not_dead():
    """Before a plain background half of the units never change, whose channels do where there is something to see."""
    images = torch.zeros(9, 1, 6, 6)
    images[:, :, 2:4, 2:4] = torch.rand(9, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.copy_(torch.tensor([-0.1, -0.1, -0.1, -100.0]))
    (row,) = layer_signals(net, images, Derivative("logit", 0), device=CPU)
    assert (row.dead, row.units) == (1 / 4, 144)
    assert row.active < 0.5


def test_batch_normalisation_has_a_quarter_of_pairs_in_common():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(50, 400), nn.BatchNorm1d(400), nn.ReLU(), nn.Linear(400, 2))
    (found,) = layer_signals(net, torch.randn(256, 50), Derivative("logit", 0, norm="batch"), device=CPU)
    assert found.active == pytest.approx(0.5, abs=0.01)
    assert found.coactive == pytest.approx(0.25, abs=0.01)


def test_nothing_is_left_behind():
    net = network().train()
    before = copy.deepcopy(net.state_dict())
    layer_signals(net, X, Derivative("loss", 0), device=CPU)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values(), strict=True))
    assert net.training and all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_a_device_without_float64_gives_the_same_figures(norm, no_float64):
    torch.manual_seed(0)
    net = set_batchnorm_statistics(mlp_stack("bn", 6, 3, 3, width=8), X)
    expected = layer_signals(net, X, Derivative("logit", 2, norm=norm), device=CPU)
    there = copy.deepcopy(net).to(no_float64)
    assert len(expected) == 3
    assert layer_signals(there, X, Derivative("logit", 2, norm=norm), device=no_float64) == expected
