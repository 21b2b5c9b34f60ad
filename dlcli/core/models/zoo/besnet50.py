"""ResNet-50 for clips: two 1x1 convolutions of each residual block are 3x1x1 and look 1 or 2 frames away at random."""

from torch import nn

from dlcli.core.models.besnet import RECIPE as RECIPE
from dlcli.core.models.besnet import besnet

SMALLEST = 1


def build(channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """Takes clips (n, channels, t, *size) in [0, 1], or images as clips of one frame; gives logits (n, classes)."""
    return besnet("resnet50", channels, classes)
