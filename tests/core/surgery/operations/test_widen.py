"""Widening: the function stays, the weights are those of the paper's equations, and what cannot be followed is named."""

import re

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
from tests.core.surgery.networks import residual

WHOLE = {"channels last"}
"""Networks that normalise over units, which is exact if each has as many copies."""


def images(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def widen(model, spec, sample):
    done, (note,) = apply_surgery(model, [f"widen={spec}"], sample)
    return done, note


def difference(one, other):
    return ((one - other).abs().max() / one.abs().max()).item()


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    act=st.sampled_from(ACTIVATIONS),
    head=st.sampled_from(HEADS),
    factors=st.lists(st.sampled_from(["2", "1.5", "3"]), min_size=1, max_size=2),
)
def test_random_networks_compute_what_they_did(kinds, act, head, factors):
    model, x = stack(kinds, act, head), images(4, 2, 4, 4)
    done, _ = apply_surgery(model, [f"widen={factor}" for factor in factors], x[:1])
    assert parameters(done) > parameters(model)
    assert difference(model(x), done(x)) < 1e-12
    assert difference(model.train()(x), done.train()(x)) < 1e-12
    assert difference(model.eval()(x), done.eval()(x)) < 1e-12  # with the statistics that training left


@pytest.mark.parametrize("factor", ["2", "1.5"])
@pytest.mark.parametrize("name", ODD)
def test_odd_networks_compute_what_they_did(name, factor):
    model, x = lived_in(ODD[name]()), images(4, 2, 4, 4)
    if name in WHOLE and factor == "1.5":
        with pytest.raises(InputError, match="norm normalises over units, of which not all would have as many copies"):
            widen(model, factor, x[:1])
        return
    done, note = widen(model, factor, x[:1])
    assert re.search(r"exact: relative difference (0|\de-1[5-9]) in float64$", note)
    assert difference(model(x), done(x)) < 1e-12
    before, after = model.train()(x), done.train()(x)
    for one, other in zip(before, after, strict=True) if isinstance(before, tuple) else [(before, after)]:
        assert difference(one, other) < 1e-12


def test_each_weight_is_that_of_the_papers_equations():
    """Row j is row g(j), and the columns of all copies of a unit sum to its column."""
    model = lived_in(nn.Sequential(nn.Flatten(), nn.Linear(9, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 5)))
    done, note = widen(model, "1.5", images(1, 9))
    assert note.startswith("widen=1.5: 1 of 2 layers wider; 107 parameters became 158; ")
    (first, norm, last), (old_first, old_norm, old_last) = ([net[k] for k in (1, 2, 4)] for net in (done, model))
    assert (first.out_features, norm.num_features, last.in_features) == (9, 9, 9)
    assert torch.equal(first.weight[:6], old_first.weight) and torch.equal(first.bias[:6], old_first.bias)
    of = [next(k for k in range(6) if torch.equal(old_first.weight[k], row)) for row in first.weight]
    assert of[:6] == list(range(6)) and len(set(of[6:])) == 3
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(getattr(norm, name), getattr(old_norm, name)[of])
    times = torch.tensor([of.count(k) for k in of])
    assert torch.equal(last.weight, old_last.weight[:, of] / times)
    assert torch.equal(last.bias, old_last.bias)


@pytest.mark.parametrize(("factor", "times"), [("2", 2), ("3", 3), ("1.5", 1.5)])
def test_parameters_of_a_chain_in_closed_form(factor, times):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 5))
    done, _ = widen(model, factor, torch.rand(1, 3, 6, 6))
    a, b = int(8 * times), int(6 * times)
    assert parameters(done) == (27 + 1) * a + (9 * a + 1) * b + (4 * b + 1) * 5
    assert [tuple(m.weight.shape) for m in done if hasattr(m, "weight")] == [(a, 3, 3, 3), (b, a, 3, 3), (5, 4 * b)]


def test_depthwise_pairs_stay_and_groups_grow_within():
    model = lived_in(
        nn.Sequential(nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1), nn.Conv2d(8, 6, 1, groups=2))
    )
    model.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3).double()])
    done, _ = widen(model, "2", images(1, 2, 4, 4))
    assert str(done[1]) == "Conv2d(8, 8, kernel_size=(3, 3), stride=(1, 1), groups=8)"
    assert str(done[3]) == "Conv2d(16, 12, kernel_size=(1, 1), stride=(1, 1), groups=2)"
    assert tuple(done[1].weight.shape) == (8, 1, 3, 3) and tuple(done[3].weight.shape) == (12, 8, 1, 1)


def test_noise_is_measured_and_only_on_copies():
    model, x = stack(["norm", "residual"], nn.ELU, "mean"), images(64, 2, 4, 4)
    done, note = widen(model, "2:0.05", x[:1])
    said = float(re.search(r"noise 0.05 changed the output by (\S+) relative, \S+ without it", note)[1])
    assert 0 < said < 1 and 0 < difference(model(x), done(x)) < 20 * said
    for old, new in zip(model.parameters(), done.parameters(), strict=True):
        if old.dim() == 4 and old.shape[1] == 2:  # it reads the image, so nothing is divided
            assert torch.equal(new[: len(old)], old) and not any(torch.equal(a, b) for a in new[len(old) :] for b in old)


def test_noise_has_the_deviation_that_it_is_given():
    model = nn.Sequential(nn.Flatten(), nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 3)).double()
    done, _ = widen(model, "2:0.1", images(1, 100))
    old, new = model[1].weight, done[1].weight
    nearest = torch.cdist(new[200:], old).argmin(1)
    assert sorted(nearest.tolist()) == list(range(200))
    noise = new[200:] - old[nearest]
    assert noise.std().item() == pytest.approx(0.1 * old.std().item(), rel=0.03)  # 20,000 draws: 6 standard errors
    assert torch.equal(done[1].bias[200:], model[1].bias[nearest])


@pytest.mark.parametrize(("spec", "equal"), [("2", 32), ("2:0.05", 0)])
def test_copies_part_in_training_only_with_noise(spec, equal):
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4)).double()
    done, _ = widen(model, spec, images(1, 16))
    optimizer, x, y = torch.optim.SGD(done.parameters(), 0.1), images(32, 16), torch.arange(32) % 4
    for _ in range(20):
        optimizer.zero_grad()
        F.cross_entropy(done(x), y).backward()
        optimizer.step()
    apart = torch.cdist(done[1].weight, done[1].weight) + torch.eye(32) * 9
    assert (apart.min(1).values < 1e-6).sum().item() == equal


def test_after_other_surgery_and_before(sample):
    model, x = residual().eval(), torch.rand(4, 1, 8, 8)
    elu, _ = apply_surgery(model, ["elu"], sample)
    done, _ = apply_surgery(model, ["elu", "widen=2"], sample)
    assert difference(elu(x), done(x)) < 1e-5
    other, notes = apply_surgery(model, ["widen=2", "elu"], sample)
    assert notes[1].startswith("elu: 7 ReLUs") and difference(elu(x), other(x)) < 1e-5


def test_video(sample):
    flat, clips = residual().double().eval(), images(2, 1, 5, 8, 8)
    net = inflate(flat, sample, Inflation(dilations=(1, 2))).model
    done, _ = widen(net, "2", clips[:1])
    assert difference(net(clips), done(clips)) < 1e-12
    assert [key for key, _ in done.named_parameters()] == [key for key, _ in net.named_parameters()]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_types_stay(dtype, sample):
    model = residual().to(dtype).eval()
    done, note = widen(model, "2", sample)
    assert {p.dtype for p in done.parameters()} == {dtype} and "exact: " in note
    x = torch.rand(3, 1, 8, 8).to(dtype)
    assert difference(model(x).float(), done(x).float()) < 0.05


def test_shapes_do_not_depend_on_the_draw(sample):
    model = stack(["residual", "dense", "grouped"], nn.ReLU, "flat")
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        done, _ = widen(model, "1.5", images(1, 2, 4, 4))
        states.append(done.state_dict())
    first, second = ({key: value.shape for key, value in state.items()} for state in states)
    assert first == second
    done.load_state_dict(states[0])
    x = images(3, 2, 4, 4)
    assert difference(model(x), done(x)) < 1e-12


class Calls(nn.Module):
    """A convolution, what `call` does to its output, and a head."""

    def __init__(self, call, inputs=4, **parts):
        super().__init__()
        self.conv, self.head, self.call = nn.Conv2d(2, 4, 1), nn.Linear(inputs, 3), call
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.head(self.call(self, self.conv(x).relu()))


class Standardised(nn.Conv2d):
    def forward(self, x):
        return F.conv2d(x, self.weight / self.weight.std((1, 2, 3), keepdim=True), self.bias)


def tokens(x):
    return x.flatten(2).transpose(1, 2)


REFUSED = {
    "attention calls multi_head_attention_forward": lambda: Calls(
        lambda net, x: net.attention(tokens(x), tokens(x), tokens(x))[0].mean(1),
        attention=nn.MultiheadAttention(4, 2, batch_first=True),
    ),
    "memory calls lstm": lambda: Calls(lambda net, x: net.memory(tokens(x))[0].mean(1), memory=nn.LSTM(4, 4, batch_first=True)),
    "the network itself computes with a tensor of its own for each unit": lambda: Calls(
        lambda net, x: (x * net.scale).mean((2, 3)), scale=nn.Parameter(torch.rand(4, 1, 1))
    ),
    "the network itself calls conv2d": lambda: Calls(
        lambda net, x: F.conv2d(x, net.weight).mean((2, 3)), weight=nn.Parameter(torch.rand(4, 4, 1, 1))
    ),
    "the network itself calls mean over units": lambda: Calls(lambda net, x: x.mean(1).flatten(1), 16),
    "the network itself calls softmax over units": lambda: Calls(lambda net, x: x.softmax(1).mean((2, 3))),
    "norm calls local_response_norm": lambda: Calls(lambda net, x: net.norm(x).mean((2, 3)), norm=nn.LocalResponseNorm(2)),
    "the network itself calls cumsum": lambda: Calls(lambda net, x: x.cumsum(1).mean((2, 3))),
    "head reads units along another axis": lambda: Calls(lambda net, x: x.view(-1, 4)),
    "head reads units in an order or number": lambda: Calls(lambda net, x: x.mean((2, 3))[:, 1:3], 2),
    "head reads units in an order or number that": lambda: Calls(lambda net, x: F.pad(x, (0, 0, 0, 0, 1, 1)).mean((2, 3)), 6),
    "the network itself calls pad": lambda: Calls(lambda net, x: F.pad(x, (1, 0, 0, 0, 1, 1)).mean((2, 3)), 6),
    "the network itself does not run on more units": lambda: Calls(lambda net, x: x.mean((2, 3)).view(len(x), 4)),
    "inner does not compute the same with copied units": lambda: Calls(
        lambda net, x: net.inner(x).mean((2, 3)), inner=Standardised(4, 4, 1)
    ),
    "inner makes its weight of others": lambda: Calls(
        lambda net, x: net.inner(x).mean((2, 3)), inner=nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1))
    ),
    "no layer can have 2 times as many units": lambda: nn.Sequential(nn.Flatten(), nn.Linear(32, 3)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_followed_is_named(message):
    with pytest.raises(InputError, match=f"^`surgery=widen=2`: {message}"):
        widen(REFUSED[message](), "2", torch.rand(1, 2, 4, 4))


def test_weights_that_are_shared_are_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.Linear(32, 3))
    model[3].weight = model[1].weight
    with pytest.raises(InputError, match="3 shares its weight with 1"):
        widen(model, "2", torch.rand(1, 2, 4, 4))


def test_other_parameters_may_be_shared():
    model = residual().half()
    model.mine, model[1].yours = [nn.Parameter(torch.ones(3))] * 2
    done, _ = widen(model, "2", torch.rand(1, 1, 8, 8))
    assert done.mine is done[1].yours and done.mine.dtype == torch.float32


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2"])
def test_networks_of_torchvision(name):
    torchvision = pytest.importorskip("torchvision")
    model, x = lived_in(getattr(torchvision.models, name)(num_classes=10)), images(1, 3, 48, 48)
    done, _ = widen(model, "2", x)
    assert difference(model(x), done(x)) < 1e-12
    assert 3.5 < parameters(done) / parameters(model) < 4
