"""Receptive fields against published figures and against which pixels gradients reach."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.core.evaluation.receptive_field import FieldTracker, effective_field, receptive_field


@pytest.mark.parametrize(("dilations", "size"), [((1,), 3), ((1, 2), 7), ((1, 2, 4), 15), ((1, 2, 4, 8), 31)])
def test_dilation_grows_it_exponentially(dilations: tuple[int, ...], size: int):
    """Yu and Koltun (2016), figure 1 and section 2: (2**(i+2) - 1) squared."""
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, dilation=d) for d in dilations])
    assert receptive_field(net, torch.rand(1, 1, 40, 40)) == (size, size)


def test_one_dimension_and_axes_that_differ():
    causal = nn.Sequential(
        *[nn.Sequential(nn.ConstantPad1d((d, 0), 0.0), nn.Conv1d(1, 1, 2, dilation=d)) for d in (1, 2, 4, 8)]
    )
    assert receptive_field(causal, torch.rand(1, 1, 30)) == (16,)
    assert receptive_field(nn.Conv2d(1, 1, (3, 5), dilation=(2, 1)), torch.rand(1, 1, 9, 9)) == (5, 5)


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.parametrize(("name", "size"), [("vgg16", 212), ("resnet50", 427)])
def test_published_figures(name: str, size: int):
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        net = models.get_model(name, weights=None).eval()
    assert receptive_field(net, torch.empty(1, 3, 64, 64, device="meta")) == (size, size)


class Branches(nn.Module):
    """Two paths of different reach, and a strided slice of the input beside them."""

    def __init__(self, kernel: int, dilation: int, stride: int, pad: str) -> None:
        super().__init__()
        self.near = nn.Conv2d(1, 1, 1, stride=stride)
        self.far = nn.Conv2d(1, 1, kernel, stride=stride, dilation=dilation, padding=(kernel - 1) * dilation // 2)
        self.same = nn.Conv2d(1, 1, kernel, padding="same", padding_mode=pad)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = self.same(x)
        first, second, third = self.near(x), self.far(x), x[..., :: self.stride, :: self.stride]
        out = torch.cat([first, F.pad(second, (0, 0, 0, 0)), third], dim=1).sum(1, keepdim=True)
        return F.avg_pool2d(out, 2)


def reached(net: nn.Module, side: int) -> int:
    """How far apart the pixels are that the gradient of one middle unit reaches, with weights that cannot cancel."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
    x = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    out = net.double()(x)
    (gradient,) = torch.autograd.grad(out[0, 0, out.shape[2] // 2, out.shape[3] // 2], x)
    rows = (gradient[0, 0] != 0).any(1).nonzero()
    return int(rows.max() - rows.min()) + 1


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 3, 5]), st.integers(1, 3), st.integers(1, 3), st.sampled_from(["zeros", "reflect"]))
def test_branches_see_what_gradients_reach(kernel: int, dilation: int, stride: int, pad: str):
    net = Branches(kernel, dilation, stride, pad)
    found = receptive_field(net, torch.rand(1, 1, 61, 61))
    assert found == (reached(net, 61),) * 2


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 2), st.booleans()), min_size=1, max_size=4))
def test_stacks_see_what_gradients_reach(layers: list[tuple[int, int, int, bool]]):
    modules: list[nn.Module] = []
    for kernel, stride, dilation, pool in layers:
        modules.append(nn.AvgPool2d(kernel, stride) if pool else nn.Conv2d(1, 1, kernel, stride, dilation=dilation))
    net = nn.Sequential(*modules)
    assert receptive_field(net, torch.rand(1, 1, 141, 141)) == (reached(net, 141),) * 2


def test_an_in_place_sum_keeps_the_larger_field():
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            out = self.conv(x)
            x = x.clone()
            x += out
            return self.last(F.relu(x, inplace=True))

    assert receptive_field(Block(), torch.rand(1, 1, 9, 9)) == (5, 5)


@pytest.mark.parametrize(
    "mix", [nn.AdaptiveAvgPool2d(1), nn.Flatten(2), nn.Linear(7, 7), nn.ConvTranspose2d(1, 1, 3, padding=1)]
)
def test_what_mixes_all_places_has_no_bounds(mix: nn.Module):
    x = torch.rand(1, 1, 9, 9)
    with FieldTracker(x) as tracker:
        out = mix(nn.Conv2d(1, 1, 3)(x))
    assert tracker.field_of(out) == () and tracker.field_of(torch.rand(2)) is None

    class Gated(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(x * F.adaptive_avg_pool2d(x, 1), torch.ones(1, 1, 3, 3))

    assert receptive_field(Gated(), x) == ()


def test_poolings_of_every_kind():
    for axes in (1, 2, 3):
        x = torch.rand(1, 1, *[12] * axes)
        names = (f"{kind}Pool{axes}d" for kind in ("Max", "Avg"))
        fields = [receptive_field(getattr(nn, name)(3, stride=2, padding=1), x) for name in names]
        assert fields == [(3,) * axes] * 2
        both = nn.Sequential(
            getattr(nn, f"MaxPool{axes}d")(3, dilation=2), getattr(nn, f"Conv{axes}d")(1, 1, 3, padding="same")
        )
        assert receptive_field(both, x) == (5 + 2 * 3,) * axes
    assert receptive_field(nn.MaxPool2d(3, return_indices=True), torch.rand(1, 1, 9, 9)) == (3, 3)


def test_without_windows_there_is_no_field():
    assert receptive_field(nn.Flatten(), torch.rand(1, 1, 4, 4)) == ()
    assert effective_field(nn.Flatten(), torch.rand(1, 1, 4, 4)) is None


def test_effective_field_of_known_weights():
    """A box filter looks at all of its pixels alike; a filter with one weight looks at one."""
    box = nn.Conv2d(1, 1, 5)
    with torch.no_grad():
        box.weight.fill_(1.0)
    assert effective_field(box, torch.rand(2, 1, 11, 11)) == pytest.approx(5)
    with torch.no_grad():
        box.weight.zero_()
        box.weight[0, 0, 2, 2] = 1.0
    assert effective_field(box, torch.rand(2, 1, 11, 11)) == pytest.approx(1)
    with torch.no_grad():
        box.weight.zero_()
    assert effective_field(box, torch.rand(2, 1, 11, 11)) is None


def test_a_binomial_filter_is_cut_where_the_source_cuts():
    """Weights 1 8 28 56 70 ... along each axis: counted by hand where the product is at least 4.55% of 70 * 70."""
    row = torch.tensor([1.0, 8, 28, 56, 70, 56, 28, 8, 1])
    conv = nn.Conv2d(1, 1, 9, bias=False)
    with torch.no_grad():
        conv.weight.copy_(row.outer(row))
    inside = sum(a * b >= (1 - 0.9545) * 4900 for a in row.tolist() for b in row.tolist())
    assert effective_field(conv, torch.rand(1, 1, 20, 20)) == pytest.approx(inside**0.5)


class PatchMerging(nn.Module):
    """Every second row and column of images with channels last, as in Swin transformers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, stride=2)

    def forward(self, x):
        rows = self.conv(x).permute(0, 2, 3, 1)
        return torch.cat([rows[:, 0::2, 0::2, :], rows[:, 1::2, 1::2, :]], -1).mean((1, 2))


class Detached(PatchMerging):
    def forward(self, x):
        return super().forward(x.detach())


def test_what_is_not_known_is_unbounded_and_no_error():
    x = torch.rand(1, 3, 16, 16)
    assert receptive_field(PatchMerging(), x) == (2, 2)  # of the last convolution
    assert effective_field(Detached(), x) is None
