"""Residual networks for images of about 32x32 (He et al. 2016, arXiv 1512.03385, section 4.2): `cifar-resnet-20` to `-110`.

6n + 2 layers: three stages of n blocks with 16, 32 and 64 channels; shortcuts of option A, which pick every other position
and fill up with zeros, so that they have no weights.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from dlcli.core.training.recipe import Recipe

SMALLEST = 4

DEPTH = 20

RECIPE = Recipe(
    epochs=30,
    batch_size=128,
    optimizer="sgd",
    lr=0.1,
    options={"momentum": 0.9, "weight_decay": 1e-4},
    schedule="cosine",
)

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # the usual ones for photographs


class Block(nn.Module):
    """relu(shortcut(x) + BN(conv(relu(BN(conv(x)))))), 3x3 each."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.pick = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, out, h / stride, w / stride)."""
        branch = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu2(branch + self._shortcut(x, branch.shape[1]))
        return out

    def _shortcut(self, x: Tensor, channels: int) -> Tensor:
        picked: Tensor = self.pick(x)
        more = channels - picked.shape[1]
        return pad(picked, (0, 0, 0, 0, more // 2, more - more // 2)) if more else picked


class CifarResNet(nn.Module):
    """The whole network; colours are normalised inside, so that it takes images in [0, 1]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, classes: int, depth: int) -> None:
        super().__init__()
        mean, deviation = (_MEAN, _DEVIATION) if channels == 3 else ((0.5,) * channels, (0.25,) * channels)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, 1, depth)
        self.layer2 = _stage(16, 32, 2, depth)
        self.layer3 = _stage(32, 64, 2, depth)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (n, channels, h, w) in [0, 1], gives logits (n, classes)."""
        x = self.relu(self.bn1(self.conv1((x - self.mean) / self.deviation)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(self.pool(x).flatten(1))
        return logits


def check_depth(depth: int) -> str:
    """What is wrong with a depth; "" if nothing is."""
    return "" if depth >= 8 and depth % 6 == 2 else "has 6n + 2 layers: 20, 32, 44, 56, 110"


def build(channels: int, size: tuple[int, int], classes: int, *, depth: int = DEPTH) -> nn.Module:
    """A network of (n, channels, *size) in [0, 1] that returns logits (n, classes).

    Args:
        channels: Channels of the images.
        size: Height and width of the images in pixels; any from `SMALLEST` on, as the last layer averages over positions.
        classes: Number of outputs.
        depth: Number of convolutions and fully connected layers, 6n + 2.
    """
    net = CifarResNet(channels, classes, depth)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return net


def _stage(channels: int, out: int, stride: int, depth: int) -> nn.Sequential:
    first = Block(channels, out, stride)
    return nn.Sequential(first, *(Block(out, out, 1) for _ in range((depth - 2) // 6 - 1)))
