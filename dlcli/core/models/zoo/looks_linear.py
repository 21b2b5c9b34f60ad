"""Full connections and ReLUs, 200 wide, that start as a linear map: `looks-linear-24` has 24 layers."""

from math import prod

from torch import nn

from dlcli.core.layers.mlp_stack import mlp_stack
from dlcli.core.training.recipe import Recipe

SMALLEST = 1

DEPTH = 24

RECIPE = Recipe(epochs=15, batch_size=64, optimizer="adam", lr=3e-4, schedule="cosine", dtype="float32", threads=1)


def check_depth(depth: int) -> str:
    """What is wrong with a depth; "" if nothing is."""
    return "" if depth >= 1 else "needs at least 1 layer"


def build(channels: int, size: tuple[int, int], classes: int, *, depth: int = DEPTH) -> nn.Module:
    """Takes (n, channels, *size) in [0, 1], gives logits (n, classes)."""
    return mlp_stack("looks-linear", channels * prod(size), classes, depth)
