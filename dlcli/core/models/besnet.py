"""What the BesNets share: a residual network of torchvision's, inflated, with random weights."""

import torch
from torch import nn

from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.training.recipe import Recipe

RECIPE = Recipe(
    epochs=10,
    batch_size=16,
    optimizer="sgd",
    lr=0.01,
    options={"momentum": 0.9, "weight_decay": 1e-4},
    schedule="cosine",
)


def besnet(name: str, channels: int, classes: int) -> nn.Module:
    """The residual network `name` of torchvision for clips (n, channels, t, h, w) in [0, 1]; logits (n, classes)."""
    import torchvision

    flat: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
    first = flat.get_submodule("conv1")
    if isinstance(first, nn.Conv2d) and channels != first.in_channels:
        flat.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(flat.conv1.weight, mode="fan_out", nonlinearity="relu")
    return inflate(flat, torch.zeros(1, channels, 32, 32), Inflation()).model
