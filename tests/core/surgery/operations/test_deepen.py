"""Deepening: the function stays, in training too, for every activation, and the new layers are the identity."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.surgery import apply_surgery
from dlcli.support.errors import InputError
from tests.core.surgery.growing import ACTIVATIONS, HEADS, KINDS, ODD, lived_in, stack
from tests.core.surgery.networks import Functional, Shared, residual


def images(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def same(one, other):
    return all(torch.allclose(a, b, rtol=1e-12, atol=1e-13) for a, b in zip(_flat(one), _flat(other), strict=True))


def _flat(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    kinds=st.lists(st.sampled_from(KINDS), max_size=4),
    act=st.sampled_from(ACTIVATIONS),
    head=st.sampled_from(HEADS),
    specs=st.sampled_from([["deepen"], ["deepen", "deepen"], ["deepen", "widen=2"], ["widen=1.5", "deepen"]]),
)
def test_random_networks_compute_what_they_did(kinds, act, head, specs):
    model, x = stack(kinds, act, head), images(4, 2, 4, 4)
    done, _ = apply_surgery(model, specs, x[:1])
    assert same(model(x), done(x)) and same(model.train()(x), done.train()(x)) and same(model.eval()(x), done.eval()(x))


@pytest.mark.parametrize("name", ODD)
def test_odd_networks_compute_what_they_did(name):
    model, x = lived_in(ODD[name]()), images(4, 2, 4, 4)
    done, _ = apply_surgery(model, ["deepen"], x[:1])
    assert same(model(x), done(x)) and same(model.train()(x), done.train()(x))


def test_layers_are_identities_of_the_same_groups(sample):
    model = nn.Sequential(nn.Conv2d(1, 4, 4, 2, 1), nn.ELU(), nn.Conv2d(4, 6, (1, 3), groups=2, bias=False), nn.Flatten())
    model.extend([nn.Linear(6 * 4 * 2, 7), nn.ReLU(), nn.Linear(7, 3)])
    done, (note,) = apply_surgery(model, ["deepen"], sample)
    assert note.startswith("deepen: 3 layers added; ") and "until the PReLU of slope 1 there is trained" in note
    shapes = [(9 * 16, 4), (3 * 6 * 3, 0), (49, 7)]
    for k, (weights, biases) in zip((0, 2, 4), shapes, strict=True):
        second, slope = done[k].second, done[k].activation
        x = torch.randn(2, *((7,) if k == 4 else (4, 5, 5) if k == 0 else (6, 5, 5)))
        assert torch.equal(second(x), x) and torch.equal(slope(x), x) and slope.weight.numel() == 1
        assert second.weight.numel() == weights and (0 if second.bias is None else second.bias.numel()) == biases
    assert done[0].second.kernel_size == (3, 3) and done[2].second.kernel_size == (1, 3) and done[2].second.groups == 2
    assert str(done[6]) == str(model[6])


def test_it_has_real_depth_as_soon_as_the_slope_moves():
    """With slope 1 the two layers are one linear map; with another they are not."""
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2)).double()
    done, _ = apply_surgery(model, ["deepen"], images(1, 5))
    x, y, pair = images(8, 5), images(8, 5), done[0]
    for slope, linear in ((1.0, True), (0.9, False)):
        nn.init.constant_(pair.activation.weight, slope)
        assert torch.allclose(pair(x + y) + pair(0 * x), pair(x) + pair(y)) == linear


@pytest.mark.parametrize(("act", "steps"), [(nn.ELU, 1), (nn.ReLU, 2)])
def test_training_moves_the_slope(act, steps):
    """Behind the identity a ReLU hides what is below 0, so there the slope waits until the second layer has moved."""
    model = nn.Sequential(nn.Linear(5, 6), act(), nn.Linear(6, 2)).double()
    done, _ = apply_surgery(model, ["deepen"], images(1, 5))
    slope, optimizer, x = done[0].activation.weight, torch.optim.SGD(done.parameters(), 0.1), images(8, 5)
    moved = []
    for _ in range(steps):
        optimizer.zero_grad()
        F.mse_loss(done(x), torch.ones(8, 2, dtype=torch.float64)).backward()
        optimizer.step()
        moved.append(slope.item() != 1.0)
    assert moved == [False] * (steps - 1) + [True]


@pytest.mark.parametrize("block", [Shared, Functional])
@pytest.mark.parametrize(
    "first", ["erase-relu", "elu", "selu", "residual-scale=0.1", "multi-residual=2", "effective-paths=3-6"]
)
@pytest.mark.parametrize("grow", ["deepen", "widen=2"])
def test_networks_that_other_surgery_changed(grow, first, block, sample):
    model, _ = apply_surgery(residual(block).double(), [first], sample)
    done, _ = apply_surgery(model, [grow], sample)
    x = images(4, 1, 8, 8)
    assert same(model.eval()(x), done.eval()(x))


def test_video(sample):
    net = inflate(residual().double().eval(), sample, Inflation(dilations=(1, 2))).model
    clips = images(2, 1, 5, 8, 8)
    done, _ = apply_surgery(net, ["deepen"], clips[:1])
    assert same(net(clips), done(clips))


def test_a_deepened_network_can_be_inflated(sample):
    done, _ = apply_surgery(residual().double().eval(), ["deepen"], sample)
    image = images(1, 1, 8, 8)
    video = inflate(done, sample, Inflation(rule="i3d")).model
    assert torch.allclose(video(image[:, :, None].expand(1, 1, 3, 8, 8)), done(image))


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.head = nn.Parameter(torch.rand(4, 2, 1, 1)), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(F.conv2d(x, self.weight).mean((2, 3)))


class Holder(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class Peeks(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.first(x.to(self.first.weight.dtype)))


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (Holder(Own()), (2, 4, 4), "inner calls conv2d as a function, behind which no layer can be put"),
        (nn.Sequential(nn.Flatten(), nn.Linear(32, 3)), (2, 4, 4), "the network has no hidden convolution and no hidden"),
        (Peeks(), (4,), "the changed network fails in float64: .* has no attribute 'weight'"),
    ],
)
def test_what_cannot_be_done_is_refused(model, shape, message):
    with pytest.raises(InputError, match=message):
        apply_surgery(model, ["deepen"], torch.rand(1, *shape))
