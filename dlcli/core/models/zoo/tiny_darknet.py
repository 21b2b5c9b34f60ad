"""Tiny Darknet (Redmon, Darknet reference models, 2016): 16 convolutions, 1x1 and 3x3 in turn, BatchNorm, leaky ReLU."""

from torch import nn

from dlcli.core.training.recipe import Recipe

SMALLEST = 16

RECIPE = Recipe(epochs=20, batch_size=64, optimizer="adam", lr=2e-3, schedule="cosine")

LAYERS = (
    ((16, 3),),
    ((32, 3),),
    ((16, 1), (128, 3), (16, 1), (128, 3)),
    ((32, 1), (256, 3), (32, 1), (256, 3)),
    ((64, 1), (512, 3), (64, 1), (512, 3), (128, 1)),
)
"""Channels and side of each convolution, by stage; a maximum pooling stands between the stages."""


def build(channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """Takes (n, channels, *size) in [0, 1], gives logits (n, classes)."""
    layers: list[nn.Module] = []
    for number, stage in enumerate(LAYERS):
        layers += [nn.MaxPool2d(2)] if number else []
        for out, side in stage:
            layers += [nn.Conv2d(channels, out, side, padding=side // 2, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.1)]
            channels = out
    return nn.Sequential(*layers, nn.Conv2d(channels, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
