"""A gated recurrent unit (Cho et al. 2014), for sequences: `gru:1:56` has one layer of width 56."""

from torch import nn

from dlcli.core.models.causal_stacks import Gru
from dlcli.core.models.zoo.tcn import ARGUMENTS, RECIPE, SMALLEST, TAKES

__all__ = ["ARGUMENTS", "RECIPE", "SMALLEST", "TAKES", "build"]


def build(channels: int, size: tuple[int, int], classes: int, *, levels: int = 1, width: int = 56) -> nn.Module:
    """A network of (n, channels, t) that returns logits (n, classes, t).

    Args:
        channels: Channels of the sequences.
        size: 1 and the number of steps of the longest.
        classes: Number of outputs.
        levels: Number of layers.
        width: Units of each.
    """
    return Gru(channels, classes, levels, width)
