from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.gradients.path_lengths import path_lengths
from dlcli.core.layers.mlp_stack import mlp_stack
from dlcli.support.errors import InputError

CPU = torch.device("cpu")
AIM = Derivative("logit", 1)


class Linear(nn.Module):
    """x + W x, without anything between, so that every path is a product of matrices."""

    def __init__(self, width, in_place):
        super().__init__()
        self.branch = nn.Linear(width, width, bias=False)
        self.in_place = in_place

    def forward(self, x):
        out = self.branch(x)
        if self.in_place:
            out += x
            return out
        return x + out


def network(in_place):
    torch.manual_seed(0)
    return nn.Sequential(*(Linear(5, in_place) for _ in range(4)), nn.Linear(5, 3, bias=False)).double()


X = torch.rand(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("in_place", [False, True])
def test_paths_are_products_of_the_weights_along_them(in_place):
    net = network(in_place)
    weights = [block.branch.weight.detach().numpy() for block in net[:4]]
    head = net[4].weight[1].detach().numpy()
    norms = []
    for length in range(5):
        each = []
        for chosen in combinations(range(4), length):
            path = head
            for k in reversed(chosen):
                path = path @ weights[k]
            each.append(np.linalg.norm(path))
        norms.append(each)
    found = path_lengths(net, X, AIM, draws=6, seed=0, device=CPU)
    np.testing.assert_allclose(found.one, [np.mean(each) for each in norms], rtol=1e-10)
    sums = np.array([sum(each) for each in norms])
    np.testing.assert_allclose(found.gradient, sums / sums.sum(), rtol=1e-10)
    np.testing.assert_allclose(found.paths, np.array([1, 4, 6, 4, 1]) / 16)
    assert found.mean_by_count == pytest.approx(2)
    assert found.mean_by_gradient == pytest.approx(sums @ np.arange(5) / sums.sum())


def test_the_effective_range_is_the_shortest_that_suffices():
    found = path_lengths(network(False), X, AIM, draws=6, seed=0, device=CPU)
    low, high = found.effective
    assert found.gradient[low : high + 1].sum() >= 0.95
    shorter = [found.gradient[k : k + high - low].sum() for k in range(5)]
    assert max(shorter) < 0.95


def test_the_network_is_left_as_it_was_and_draws_go_by_the_seed():
    torch.manual_seed(0)
    net = mlp_stack("resnet", 5, 3, 6, width=16)
    x = X.float()
    before = input_gradients(net, x, AIM, device=CPU)
    one, again, other = (path_lengths(net, x, AIM, draws=3, seed=seed, device=CPU) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.one, again.one)
    assert not np.array_equal(one.one, other.one)
    assert torch.equal(before, input_gradients(net, x, AIM, device=CPU))


def test_a_network_without_skips_is_refused():
    with pytest.raises(InputError, match="no residual block"):
        path_lengths(nn.Linear(5, 3), X.float(), AIM, draws=3, seed=0, device=CPU)
