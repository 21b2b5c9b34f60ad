"""Two hidden layers of 512 ReLUs with dropout: the plainest network that fits small images."""

from math import prod

from torch import nn

from dlcli.core.training.recipe import Recipe

SMALLEST = 1

RECIPE = Recipe(epochs=10, batch_size=64, optimizer="adam", lr=1e-3, schedule="cosine", threads=1)


def build(channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """Takes (n, channels, *size) in [0, 1], gives logits (n, classes)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * prod(size), 512),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(512, classes),
    )
