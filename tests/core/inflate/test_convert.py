"""Which layers are inflated, and that a still clip is judged as the image that it shows."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import densenet, get_model, mobilenetv2, resnet, vgg

from dlcli.core.compute.rng import preserved
from dlcli.core.inflate.convert import Inflation, inflate, rebuild
from dlcli.core.layers.normalise import normalised
from dlcli.core.layers.temporal import TemporalConv
from dlcli.support.errors import InputError
from tests.conftest import DATA
from tests.core.surgery.networks import NETWORKS, Functional, residual


def _vgg():
    """torchvision's own has 100 million weights between its first two full connections."""
    model = vgg.VGG(vgg.make_layers([16, "M", 32, "M", 32, 32, "M"], batch_norm=True), num_classes=1, init_weights=False)
    model.classifier = nn.Sequential(nn.Linear(32 * 7 * 7, 20), nn.ReLU(), nn.Dropout(), nn.Linear(20, 10))
    return model


FAMILIES = {
    "resnet18": lambda: resnet.ResNet(resnet.BasicBlock, [2, 1, 1, 1]),
    "resnet50": lambda: resnet.ResNet(resnet.Bottleneck, [2, 1, 1, 1]),
    "resnext50_32x4d": lambda: resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1], groups=32, width_per_group=4),
    "wide_resnet50_2": lambda: resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1], width_per_group=24),
    "squeezenet1_1": lambda: get_model("squeezenet1_1"),
    "vgg11_bn": _vgg,
    "densenet121": lambda: densenet.DenseNet(16, (3, 2, 2, 2), 32),
    "mobilenet_v2": lambda: mobilenetv2.MobileNetV2(width_mult=0.25),
    "googlenet": lambda: get_model("googlenet", aux_logits=False, init_weights=False),
}
"""A small member of each family of torchvision: its blocks and its code, with fewer of them."""


def _torchvision(make, size=64):
    with preserved():
        torch.manual_seed(0)
        model = make().double().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
            elif isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.normal_(module.bias)  # zero by default in some
    return model, torch.rand(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _still(x, frames):
    return x.unsqueeze(2).repeat(1, 1, frames, 1, 1)


def _error(video, image, x, frames):
    with torch.no_grad():
        found, wanted = video(_still(x, frames)), image(x)
    return float((found - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize(
    ("which", "layers", "parameters"), [("conv1", 16, 34_215_976), ("both", 32, 44_275_752), ("all", 36, 49_813_544)]
)
def test_resnet50_has_the_counts_of_the_essay(which, layers, parameters):
    model, x = _torchvision(lambda: get_model("resnet50"), 32)
    found = inflate(model, x[:1], Inflation(which=which))
    assert len(found.layers) == layers
    assert all(layer.after == (*layer.before[:2], 3, 1, 1) for layer in found.layers)
    assert sum(parameter.numel() for parameter in found.model.parameters()) == parameters
    assert found.model.head == "fc"


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("rule", ["besnet", "i3d"])
def test_torchvisions_networks_judge_a_still_clip_as_the_image(name, rule):
    model, x = _torchvision(FAMILIES[name])
    before = copy.deepcopy(model.state_dict())
    for ends in ("replicate", "renorm"):
        video = inflate(model, x[:1], Inflation(rule=rule, ends=ends, dilations=(1, 2))).model
        assert list(video.state_dict()) == list(before)
        for frames in (1, 2, 8):
            assert _error(video, model, x, frames) < 1e-10
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("rule", ["besnet", "i3d", "center"])
@pytest.mark.parametrize("name", ["shared", "functional", "auxiliary", "plain"])
def test_small_networks_judge_a_still_clip_as_the_image(name, rule):
    torch.manual_seed(0)
    model = NETWORKS[name]().double().eval()
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    for how in (Inflation(rule=rule), Inflation(rule=rule, dilations=(1, 2), fused=True), Inflation(rule=rule, taps=5)):
        for frames in (1, 2, 8, 11):
            assert _error(inflate(model, x[:1], how).model, model, x, frames) < 1e-12


def test_zeros_at_the_ends_are_another_network():
    model, x = residual().double().eval(), torch.rand(2, 1, 8, 8, dtype=torch.float64)
    assert _error(inflate(model, x[:1], Inflation(ends="zeros")).model, model, x, 8) > 1e-4


def test_at_the_centre_every_frame_is_seen_by_itself():
    model, x = residual().double().eval(), torch.rand(2, 1, 5, 8, 8, dtype=torch.float64)
    frames = torch.stack([model(x[:, :, k]) for k in range(5)])
    body = inflate(model, x[:1, :, 0], Inflation(rule="center")).model
    hidden = torch.stack([model[:-1](x[:, :, k]) for k in range(5)]).amax(0)
    assert torch.allclose(body(x), model[-1](hidden), atol=1e-12)
    assert not torch.allclose(body(x), frames.amax(0), atol=1e-6)


def test_a_moving_clip_is_judged_by_its_order():
    model = residual().double().eval()
    x = torch.rand(1, 1, 6, 8, 8, dtype=torch.float64)
    video = inflate(model, x[:, :, 0], Inflation()).model
    assert not torch.allclose(video(x), video(x[:, :, [3, 0, 5, 1, 4, 2]]), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "which", "paths"),
    [
        ("functional", "conv1", ["2.conv3", "3.conv3"]),
        ("functional", "all", ["2.conv3", "3.conv3", "3.down"]),
        ("plain", "both", ["3"]),
    ],
)
def test_besnet_inflates_what_it_says(name, which, paths):
    found = inflate(NETWORKS[name](), torch.rand(1, 1, 8, 8), Inflation(which=which))
    assert [layer.path for layer in found.layers] == paths


@pytest.mark.parametrize(("which", "layers"), [("conv1", 8), ("both", 16), ("all", 19)])
def test_without_1x1_the_first_and_last_of_a_residual_branch_look_along_time(which, layers):
    model, x = _torchvision(lambda: get_model("resnet18"), 32)
    found = inflate(model, x[:1], Inflation(which=which))
    assert len(found.layers) == layers
    assert {layer.after[2:] for layer in found.layers} == ({(3, 3, 3)} if which != "all" else {(3, 3, 3), (3, 1, 1)})


def test_the_head_of_a_network_without_full_connection_stays():
    model, x = _torchvision(lambda: get_model("squeezenet1_1"))
    found = inflate(model, x[:1], Inflation())
    assert found.model.head == "" and len(found.layers) == 16
    assert all("squeeze" in layer.path or "expand1x1" in layer.path for layer in found.layers)


def test_time_ends_before_dropout_so_that_a_mask_is_one_for_all_frames():
    found = inflate(residual(), torch.rand(1, 1, 8, 8), Inflation()).model.train()
    assert found.head == "6"
    assert found(torch.rand(3, 1, 4, 8, 8)).shape == (3, 5)


def test_type_mode_and_what_learns_are_inherited():
    model = residual(Functional).to(torch.bfloat16).train()
    model[2].conv3.weight.requires_grad_(False)
    video = inflate(model, torch.rand(1, 1, 8, 8), Inflation()).model
    layer = video.inner[2].conv3
    assert isinstance(layer, TemporalConv) and layer.training and layer.weight.dtype == torch.bfloat16
    assert not layer.weight.requires_grad and layer.bias.requires_grad


def test_it_is_built_again_from_what_was_done_behind_a_normalisation():
    model, x = normalised(NETWORKS["plain"](), "imagenet"), torch.rand(1, 3, 8, 8)
    model.inner[0] = nn.Conv2d(3, 4, 3, padding=1)
    found = inflate(model.eval(), x, Inflation(ends="renorm"))
    taps = {layer.path: layer.after[2] for layer in found.layers}
    again = rebuild(copy.deepcopy(model), taps, found.model.head, ends="renorm", dilations=(1, 2))
    assert list(found.model.state_dict()) == list(model.inner.state_dict())
    outer = nn.ModuleDict({"net": again})
    outer.load_state_dict({f"net.{key}": tensor for key, tensor in found.model.state_dict().items()})
    clip = torch.rand(2, 3, 4, 8, 8)
    assert torch.equal(found.model(clip), again.eval()(clip))


@pytest.mark.skipif(not (DATA / "weights").is_dir(), reason="needs ../shared/data/weights")
def test_real_squeezenet_and_cifar_resnet():
    from dlcli.core.models.zoo.cifar_resnet import build

    squeezenet, cifar = get_model("squeezenet1_1"), build(3, (32, 32), 10)
    for model, name, size in ((squeezenet, "squeezenet1_1_imagenet", 96), (cifar, "cifar10_resnet20", 32)):
        held = torch.load(DATA / "weights" / f"{name}.pth", weights_only=True)
        model.load_state_dict({key.removeprefix("module."): tensor for key, tensor in held.get("state_dict", held).items()})
        model, x = model.double().eval(), torch.rand(2, 3, size, size, dtype=torch.float64)
        for ends in ("replicate", "renorm"):
            video = inflate(model, x[:1], Inflation(ends=ends)).model
            assert max(_error(video, model, x, frames) for frames in (1, 2, 8)) < 1e-10


class _Kernel(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Sequential(nn.Conv1d(1, 2, 3)), "1-D"),
        (lambda: nn.Sequential(nn.Conv3d(1, 2, 3)), "3-D already"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), "no convolution"),
        (lambda: nn.Conv2d(1, 2, 3), "nothing else"),
        (lambda: nn.Sequential(nn.Conv2d(1, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "that besnet inflates"),
        (lambda: nn.Sequential(nn.Conv2d(1, 5, 3), _Kernel(5, 5, 1), nn.Flatten(), nn.Linear(180, 2)), "1 is a _Kernel"),
        (
            lambda: nn.Sequential(
                nn.Conv2d(1, 5, 3), nn.utils.spectral_norm(nn.Conv2d(5, 5, 1)), nn.Flatten(), nn.Linear(180, 2)
            ),
            "weight_orig",
        ),
        (lambda: torch.compile(residual()), "compiled by torch.compile"),
        (lambda: torch.jit.trace(residual().eval(), torch.rand(1, 1, 8, 8)), "is a program, which cannot be changed"),
        (lambda: inflate(residual(), torch.rand(1, 1, 8, 8), Inflation()).model, "3-D already"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_what_cannot_be_inflated_is_refused_by_name(make, words):
    with pytest.raises(InputError, match=words):
        inflate(make(), torch.rand(1, 1, 8, 8), Inflation())


def test_what_is_built_again_must_have_the_layers():
    with pytest.raises(InputError, match="has no layer body.9"):
        rebuild(residual(), {"body.9": 3}, "", ends="replicate", dilations=(1,))


def test_a_moving_clip_goes_through_as_through_a_network_of_3d_layers():
    image = NETWORKS["plain"](nn.MaxPool2d).double().eval()
    video = inflate(image, torch.rand(1, 1, 8, 8), Inflation(dilations=(2,))).model
    first, second = nn.Conv3d(1, 4, (1, 3, 3), padding=(0, 1, 1)), nn.Conv3d(4, 6, 3, dilation=(2, 1, 1))
    ends = nn.ReplicationPad3d((0, 0, 0, 0, 2, 2))
    deep = nn.Sequential(first, nn.ReLU(), nn.MaxPool3d((1, 2, 2)), ends, second, nn.ReLU()).double()
    with torch.no_grad():
        first.weight.copy_(image[0].weight.unsqueeze(2))
        second.weight.copy_(image[3].weight.unsqueeze(2).repeat(1, 1, 3, 1, 1) / 3)
        first.bias.copy_(image[0].bias)
        second.bias.copy_(image[3].bias)
    clip = torch.rand(3, 1, 7, 8, 8, dtype=torch.float64)
    wanted = image[-1](deep(clip).transpose(1, 2).flatten(2).amax(1))
    assert torch.allclose(video(clip), wanted, rtol=0, atol=1e-12)
