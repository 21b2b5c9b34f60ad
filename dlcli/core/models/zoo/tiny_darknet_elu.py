"""Tiny Darknet with ELU and without BatchNorm, for scores (after the essay on selfies, 2016): dropout before the last layer."""

from torch import nn

from dlcli.core.models.zoo.tiny_darknet import LAYERS
from dlcli.core.training.recipe import Recipe

SMALLEST = 16

RECIPE = Recipe(epochs=20, batch_size=32, optimizer="adam", lr=3e-4, schedule="cosine")

_DROPOUT = 0.5


def build(channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """Takes (n, channels, *size) in [0, 1], gives outputs (n, classes)."""
    layers: list[nn.Module] = []
    for number, stage in enumerate(LAYERS):
        layers += [nn.MaxPool2d(2)] if number else []
        for out, side in stage:
            layers += [nn.Conv2d(channels, out, side, padding=side // 2), nn.ELU()]
            channels = out
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(_DROPOUT), nn.Linear(channels, classes))
    for module in net.modules():
        # Without normalisation torch's own initialisation lets the signal of 16 layers vanish (He et al. 2015, section 2.2).
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return net
