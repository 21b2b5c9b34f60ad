"""Tiny Darknet with ELU and without BatchNorm, for scores (after the essay on selfies, 2016): dropout before the last layer."""

from torch import nn

from dlcli.core.models.zoo.tiny_darknet import LAYERS
from dlcli.core.training.recipe import Recipe

SMALLEST = 16

RECIPE = Recipe(epochs=20, batch_size=32, optimizer="adam", lr=1e-3, schedule="cosine")

_DROPOUT = 0.5


def build(channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """Takes (n, channels, *size) in [0, 1], gives outputs (n, classes)."""
    layers: list[nn.Module] = []
    for number, stage in enumerate(LAYERS):
        layers += [nn.MaxPool2d(2)] if number else []
        for out, side in stage:
            layers += [nn.Conv2d(channels, out, side, padding=side // 2), nn.ELU()]
            channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(_DROPOUT), nn.Linear(channels, classes))
