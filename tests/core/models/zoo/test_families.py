"""Networks of any depth, the CIFAR residual networks, Tiny Darknet and torchvision's."""

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.data.base import ImageData
from dlcli.core.layers.mlp_stack import KINDS, mlp_stack
from dlcli.core.model_io.untrained import find_model, open_model
from dlcli.support.errors import InputError, UsageError


def _data(channels=3, size=(32, 32), classes=10):
    x, y = torch.rand(2, channels, *size), torch.arange(2) % classes
    return ImageData(x, y, x, y, tuple(map(str, range(classes))), "made up")


def _count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 3, 24])
def test_a_family_has_as_many_layers_as_its_name_says(kind, depth):
    model = open_model(f"{kind}-{depth}", _data(1, (4, 5))).build()
    relus = sum(isinstance(module, nn.ReLU) for module in model.modules())
    linear = [module.weight.shape for module in model.modules() if isinstance(module, nn.Linear)]
    assert relus == depth and len(linear) == depth + 1 + (kind == "resnet")
    assert linear[0] == (200, 20) and linear[-1] == (10, 200)
    assert find_model(kind, _data()).name == kind


def test_a_looks_linear_stack_is_linear():
    model = mlp_stack("looks-linear", 6, 3, 24, width=20).double()
    x, y = torch.randn(2, 5, 6, dtype=torch.float64)
    assert torch.allclose(model(2 * x - 3 * y), 2 * model(x) - 3 * model(y), atol=1e-12)


def test_he_normal_weights_keep_the_mean_square():
    """Half the square is lost in a ReLU, and weights of variance 2/n make up for it (He et al. 2015, equation 10)."""
    model = mlp_stack("plain", 400, 400, 10, width=400)
    x = torch.randn(200, 400)
    hidden = model[:-1](x).detach()
    assert hidden.square().mean().item() == pytest.approx(1.0, rel=0.5)


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_cifar_resnets_have_the_papers_depth_and_size(depth):
    model = open_model(f"cifar-resnet-{depth}", _data()).build()
    layers = sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in model.modules())
    assert layers == depth
    # He et al. 2016, table 6, in millions.
    assert round(_count(model) / 1e6, 2) == {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.73}[depth]


def test_published_weights_load_and_classify(shared_data):
    """Trained by others; 81% on these JPEG copies by their own code."""
    weights = torch.load(shared_data("weights/cifar10_resnet20.pth"), weights_only=True)
    with np.load(shared_data("cifar10_subset.npz"), allow_pickle=False) as file:
        images, labels = file["x_test"], torch.from_numpy(file["y_test"].astype(np.int64))
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    model = open_model("cifar-resnet-20", _data()).build()
    model.load_state_dict(weights)
    right = (predict_logits(model, x, device=torch.device("cpu")).argmax(1) == labels).float().mean()
    assert right.item() == pytest.approx(0.81, abs=0.015)


def test_option_a_shortcuts_pick_every_other_position_and_fill_with_zeros():
    block = open_model("cifar-resnet-20", _data()).build().layer2[0]
    x = torch.rand(2, 16, 8, 8)
    expected = torch.zeros(2, 32, 4, 4)
    expected[:, 8:24] = x[:, :, ::2, ::2]
    assert torch.equal(block._shortcut(x, expected.shape[1]), expected)


def test_tiny_darknet_has_the_published_layers():
    model = open_model("tiny-darknet", _data(classes=1000)).build()
    convolutions = [(m.out_channels, m.kernel_size[0]) for m in model if isinstance(m, nn.Conv2d)]
    tail = [(64, 1), (512, 3), (64, 1), (512, 3), (128, 1), (1000, 1)]
    assert len(convolutions) == 16 and convolutions[-6:] == tail
    assert sum(isinstance(m, nn.MaxPool2d) for m in model) == 4
    inputs = [3, *(out for out, _ in convolutions)]
    norms = 2 * sum(out for out, _ in convolutions[:-1])
    assert _count(model) == sum(i * o * k * k for i, (o, k) in zip(inputs, convolutions, strict=False)) + norms + 1000


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_torchvision_networks_can_be_named(name):
    data = _data(size=(64, 64), classes=7)
    architecture = open_model(name, data)
    assert architecture.name == name and architecture.build()(data.x_train).shape == (2, 7)
    other = find_model("resnet34", data)
    assert other.source_sha256 != architecture.source_sha256


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_torchvision_networks_have_no_auxiliary_heads(name):
    assert open_model(name, _data(size=(96, 96), classes=7)).build().train()(torch.rand(2, 3, 96, 96)).shape == (2, 7)


@pytest.mark.parametrize(
    ("spec", "channels", "kind", "message", "hint"),
    [
        ("resnet18", 1, InputError, "resnet18 takes images of 3 channels; these have 1", "cifar-resnet-20"),
        ("resnett18", 3, UsageError, "no model is called 'resnett18', nor is there such a file or folder", "resnet18"),
        ("zzzz", 3, UsageError, "no model is called 'zzzz'", "lenet"),
        ("cifar-resnet-21", 3, UsageError, "cifar-resnet-21 has 6n \\+ 2 layers: 20", "cifar-resnet"),
        ("plain-0", 3, UsageError, "plain-0 needs at least 1 layer", "plain"),
        ("lenet-5", 3, UsageError, "lenet-5 comes in one depth only", "`model=lenet`"),
        ("plain-", 3, UsageError, "no model is called 'plain-'", "plain"),
        ("fcn_resnet50", 3, UsageError, "no model is called 'fcn_resnet50'", ""),
    ],
)
def test_unknown_names_are_usage_errors(spec, channels, kind, message, hint):
    with pytest.raises(kind, match=message) as caught:
        open_model(spec, _data(channels))
    assert hint in caught.value.hint and "\n" not in caught.value.message
