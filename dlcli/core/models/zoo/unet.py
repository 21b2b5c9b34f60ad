"""A small U-Net (Ronneberger et al. 2015, arXiv 1505.04597): maps of half the size and back, with the larger ones beside."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from dlcli.core.training.recipe import Recipe

SMALLEST = 8
MASKS = True
"""It has logits for each pixel."""

RECIPE = Recipe(epochs=20, batch_size=8, optimizer="adam", lr=2e-3, schedule="cosine")

_WIDTHS = (16, 32, 64, 128)


class SmallUNet(nn.Module):
    """Three halvings of 16 to 128 channels; padded convolutions with batch normalisation; pictures of any size."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        inputs = (channels, *_WIDTHS[:-1])
        self.down = nn.ModuleList(_double(before, after) for before, after in zip(inputs, _WIDTHS, strict=True))
        pairs = list(zip(_WIDTHS[1:], _WIDTHS[:-1], strict=True))[::-1]
        self.up = nn.ModuleList(_double(below + beside, beside) for below, beside in pairs)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(_WIDTHS[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, channels, h, w) in [0, 1] to logits (n, classes, h, w)."""
        kept = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            kept.append(x)
        for block, beside in zip(self.up, kept[-2::-1], strict=True):
            larger = interpolate(x, beside.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([beside, larger], 1))
        found: Tensor = self.head(x)
        return found


def build(channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """Takes (n, channels, h, w) in [0, 1], gives logits (n, classes, h, w)."""
    return SmallUNet(channels, classes)


def _double(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (before, after):
        layers += [nn.Conv2d(inputs, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
