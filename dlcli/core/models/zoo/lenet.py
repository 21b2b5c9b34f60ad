"""LeNet-5 (LeCun et al. 1998, Proc. IEEE 86(11)) as it is built today: ReLU, max pooling and full connections."""

from torch import nn

from dlcli.core.training.recipe import Recipe

SMALLEST = 12

RECIPE = Recipe(epochs=5, batch_size=64, optimizer="adam", lr=2e-3, schedule="cosine", threads=1)


def build(channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """Takes (n, channels, *size) in [0, 1], gives logits (n, classes)."""
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * _side(size[0]) * _side(size[1]), 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )


def _side(pixels: int) -> int:
    """How many positions the convolutions and poolings leave of a side of `pixels`: 5 of 28."""
    return (pixels // 2 - 4) // 2
