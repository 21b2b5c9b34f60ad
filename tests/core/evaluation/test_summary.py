"""Layers, parameters and multiply-adds, by hand and against torchvision's own figures."""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.evaluation.summary import summarise
from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.models.from_torchvision import from_torchvision, published_side
from dlcli.core.models.zoo import digits_net


def test_a_small_network_by_hand():
    net = digits_net.build(1, (8, 8), 10).train()
    found = summarise(net, torch.rand(3, 1, 8, 8))
    layers = {layer.name: layer for layer in found.layers}
    assert net.training  # the modes are put back
    assert [layer.name for layer in found.layers] == [str(k) for k in range(11)]
    assert layers["0"].parameters == 32 * 9 + 32 and layers["0"].multiply_adds == 32 * 8 * 8 * 9
    assert layers["2"].multiply_adds == 32 * 8 * 8 * 32 * 9 and layers["2"].output == (32, 8, 8)
    assert layers["10"].multiply_adds == 128 * 10 and layers["10"].receptive_field == ()
    assert layers["4"].receptive_field == (6, 6) and layers["4"].multiply_adds == 0
    assert found.parameters == found.trainable == sum(layer.parameters for layer in found.layers) == 20_106
    assert found.receptive_field == (12, 12) and 1 <= found.effective_field <= 8


def test_a_temporal_layer_counts_all_frames_that_it_reads():
    image = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
    video = inflate(image, torch.rand(1, 1, 8, 8), Inflation()).model
    layers = {layer.name: layer for layer in summarise(video, torch.rand(1, 1, 5, 8, 8)).layers}
    assert layers["inner.1"].multiply_adds == 5 * 6 * 36 * 4 * 3 and layers["inner.0"].multiply_adds == 5 * 4 * 36 * 9


def test_a_module_called_twice_counts_twice_and_has_its_weights_once():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1, groups=2)
            self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.conv(x)) * self.scale

    found = summarise(Twice(), torch.rand(1, 2, 6, 6))
    conv, whole = found.layers
    assert conv.multiply_adds == 2 * (2 * 36 * 9) and conv.receptive_field == (5, 5)
    assert (whole.name, whole.parameters) == ("(the network itself)", 1)
    assert (found.parameters, found.trainable) == (2 * 9 + 2 + 1, 20)


def test_transposed_convolutions_cost_their_input():
    found = summarise(nn.Sequential(nn.ConvTranspose2d(3, 4, 2, stride=2)), torch.rand(1, 3, 5, 5))
    assert found.multiply_adds == 5 * 5 * 3 * 4 * 4 and found.layers[0].output == (4, 10, 10)


def test_the_random_state_and_gradients_are_left_alone():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Dropout())
    before = torch.random.get_rng_state()
    summarise(net, torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(parameter.grad is None for parameter in net.parameters())


class Blocks(nn.Module):
    """Patches, attention within windows of them, then attention over all; the second product is functional."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, stride=4)
        self.near, self.far = nn.MultiheadAttention(8, 2, batch_first=True), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        windows = tokens.reshape(-1, 8, 8)
        tokens = self.near(windows, windows, windows)[0].reshape(tokens.shape)
        tokens = self.far(tokens, tokens, tokens, need_weights=False)[0]
        return (tokens @ tokens.transpose(1, 2)).mean(2)


def attention(windows: int, tokens: int, width: int) -> int:
    """Vaswani et al. (2017), section 3.2: three projections, scores, weighted values and the projection of heads."""
    return windows * (4 * tokens * width * width + 2 * tokens * tokens * width)


def test_attention_counts_and_sees_what_it_attends_to():
    torch.manual_seed(0)
    found = summarise(Blocks(), torch.rand(1, 1, 32, 32))
    layers = {layer.name: layer for layer in found.layers}
    assert layers["near"].multiply_adds == attention(8, 8, 8) and layers["far"].multiply_adds == attention(1, 64, 8)
    assert layers["(the network itself)"].multiply_adds == 64 * 64 * 8
    reach = {name: layer.attends_to for name, layer in layers.items()}
    whole = "whole image"
    assert reach == {"patches": "", "near": "part of image", "far": whole, "(the network itself)": whole}
    assert layers["far"].parameters == 4 * 8 * 8 + 4 * 8  # with those of out_proj, which is not called
    assert found.parameters == sum(layer.parameters for layer in found.layers)


def test_what_a_caught_failure_leaves_is_not_counted_to_another_layer():
    class Tries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bad, self.good = nn.Linear(3, 3), nn.Linear(16, 2)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.bad(x.flatten(1))
            except RuntimeError:
                return self.good(x.flatten(1))

    assert [(layer.name, layer.multiply_adds) for layer in summarise(Tries(), torch.rand(1, 1, 4, 4)).layers] == [
        ("bad", 0),
        ("good", 32),
    ]


FAMILIES = (
    *("alexnet", "convnext_tiny", "convnext_small", "densenet121", "densenet169", "efficientnet_b0", "efficientnet_b1"),
    *("efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mnasnet1_0", "mobilenet_v2"),
    *("mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "regnet_y_1_6gf", "resnet18"),
    *("resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1"),
    *("swin_t", "swin_v2_t", "vgg11_bn", "vit_b_16", "vit_b_32", "wide_resnet50_2"),
)


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.parametrize("name", FAMILIES)
def test_torchvisions_own_figures(name: str):
    models = pytest.importorskip("torchvision.models")
    published = next(iter(models.get_model_weights(name)))
    side = published_side(name)
    model = from_torchvision(name, (), 3, 1000).build()
    found = summarise(model, torch.rand(1, 3, side, side))
    auxiliary = 3_326_696 if name == "inception_v3" else 0  # its head for training, which dlcli leaves out: see below
    assert found.parameters == published.meta["num_params"] - auxiliary == sum(layer.parameters for layer in found.layers)
    assert found.multiply_adds / 1e9 == pytest.approx(published.meta["_ops"], rel=0, abs=6e-4)


SAME_ARCHITECTURE = {
    "mobilenetv3_small_100": "mobilenet_v3_small",
    "regnety_004": "regnet_y_400mf",
    **{"mobilenetv3_large_100": "mobilenet_v3_large", "mobilenetv2_100": "mobilenet_v2", "efficientnet_b0": "efficientnet_b0"},
    **{"mnasnet_100": "mnasnet1_0", "resnet18": "resnet18", "resnext50_32x4d": "resnext50_32x4d", "vgg11_bn": "vgg11_bn"},
    **{"densenet121": "densenet121", "convnext_tiny": "convnext_tiny", "swin_tiny_patch4_window7_224": "swin_t"},
    **{"vit_base_patch32_224": "vit_b_32", "efficientnet_b1": "efficientnet_b1"},
}
"""Networks of timm, and those of torchvision that are the same, for which there are published figures."""


@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "same"),
    [pytest.param(*pair, marks=[pytest.mark.slow] if k > 1 else []) for k, pair in enumerate(SAME_ARCHITECTURE.items())],
)
def test_networks_of_timm_have_the_published_figures(name: str, same: str):
    timm, models = pytest.importorskip("timm"), pytest.importorskip("torchvision.models")
    published = next(iter(models.get_model_weights(same)))
    side = published_side(same)
    found = summarise(timm.create_model(name).eval(), torch.rand(1, 3, side, side))
    assert found.parameters == published.meta["num_params"]
    assert found.multiply_adds / 1e9 == pytest.approx(published.meta["_ops"], rel=0, abs=6e-4)


def test_the_head_of_inception_that_is_left_out():
    aux = pytest.importorskip("torchvision.models.inception").InceptionAux(768, 1000)
    assert sum(parameter.numel() for parameter in aux.parameters()) == 3_326_696
