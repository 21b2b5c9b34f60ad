"""Dilation: what the network said at its own positions, it says still."""

import pytest
import torch
from torch import nn

from dlcli.core.models.zoo.cifar_resnet import build
from dlcli.core.surgery import apply_surgery
from dlcli.support.errors import InputError, UsageError
from tests.core.surgery.networks import Shared


def _features(name):
    import torchvision

    if name == "cifar":
        net = build(3, (32, 32), 10, depth=8)
        return nn.Sequential(net.conv1, net.layer1, net.layer2, net.layer3)
    if name == "pools":
        convolution = nn.Conv2d(8, 8, 3, stride=2, padding=2, dilation=2, bias=False)
        return nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=2), nn.AvgPool2d(2), convolution, nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 8, 2)
        )
    net = getattr(torchvision.models, name)(weights=None)
    return net.features if hasattr(net, "features") else nn.Sequential(*list(net.children())[:-2])


@pytest.mark.parametrize("most", [1, 2, 4, 8])
@pytest.mark.parametrize(("name", "size"), [("resnet18", (33, 48)), ("cifar", (32, 33)), ("pools", (61, 80))])
def test_at_the_positions_kept_the_values_are_the_same(name, size, most):
    features = _features(name).double().eval()
    for module in features.modules():  # so that nothing is dead and running statistics matter
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    coarse = features(x)
    stride = {"resnet18": 32, "cifar": 4, "pools": 16}[name]
    if most >= stride:
        with pytest.raises(UsageError, match="nothing to dilate"):
            apply_surgery(features, [f"dilate={most}"], x[:1])
        return
    done, _ = apply_surgery(features, [f"dilate={most}"], x[:1])
    dense, step = done(x), stride // most
    h, w = coarse.shape[2:]
    kept = dense[:, :, ::step, ::step][:, :, :h, :w]
    assert torch.allclose(kept, coarse, atol=1e-10)
    assert dense.shape[2] > coarse.shape[2]
    for mine, theirs in zip(done.parameters(), features.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_stride_that_is_not_reached_is_named():
    features = _features("cifar")
    x = torch.rand(1, 3, 32, 32)
    done, (note,) = apply_surgery(features, ["dilate=3"], x)
    assert "maps are 2 times smaller than the image, not 3" in note and done(x).shape[-1] == 16
    assert "smaller" not in apply_surgery(features, ["dilate=2"], x)[1][0]


def test_it_is_torchvisions_own_dilation():
    """Strides as torchvision's replace_stride_with_dilation has them."""
    import torchvision

    net = torchvision.models.resnet50(weights=None)
    done, (note,) = apply_surgery(net, ["dilate"], torch.rand(1, 3, 64, 64))
    theirs = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
    mine = {path: m.stride for path, m in done.named_modules() if isinstance(m, nn.Conv2d)}
    assert mine == {path: m.stride for path, m in theirs.named_modules() if isinstance(m, nn.Conv2d)}
    # The 3x3 convolutions after the strided one: 5 of layer3, and all 3 of layer4.
    assert note == "dilate: 4 strides taken out, 8 layers dilated"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.AvgPool2d(2, ceil_mode=True), "0 averages with ceil_mode"),
        (nn.AvgPool2d(3, 2, 1), "0 averages over padding"),
        (nn.Conv2d(1, 1, 3, 2, 1, padding_mode="reflect"), "0 pads by 'reflect'"),
        (nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)), "0.1 calls interpolate"),
        (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 5)), "at output stride 1 the model fails"),
    ],
)
def test_what_cannot_be_dilated_is_named(layer, message, sample):
    with pytest.raises(InputError, match=message):
        apply_surgery(nn.Sequential(layer), ["dilate=1"], sample)


def test_functional_pooling_and_picking_are_named(sample):
    class Pooling(nn.Module):
        def forward(self, x):
            return nn.functional.max_pool2d(x, 2)

    class Picking(Shared):
        def forward(self, x):
            return self.conv1(x)[:, :, ::2, ::2]

    with pytest.raises(InputError, match="0 calls max_pool2d as a function"):
        apply_surgery(nn.Sequential(Pooling()), ["dilate=1"], sample)
    with pytest.raises(InputError, match="1 picks positions"):
        apply_surgery(nn.Sequential(nn.Conv2d(1, 4, 2, 2), Picking()), ["dilate=1"], sample)
