"""Layers, parameters and multiply-adds, by hand and against torchvision's own figures."""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.evaluation.summary import summarise
from dlcli.core.inflate.convert import Inflation, inflate
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


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_torchvisions_own_figures(name: str):
    models = pytest.importorskip("torchvision.models")
    meta = models.get_model_weights(name).IMAGENET1K_V1.meta
    found = summarise(models.get_model(name, weights=None), torch.rand(1, 3, 224, 224))
    assert found.parameters == meta["num_params"]
    assert found.multiply_adds / 1e9 == pytest.approx(meta["_ops"], abs=6e-4)
