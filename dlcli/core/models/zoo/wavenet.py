"""Gated causal convolutions (van den Oord et al. 2016), for sequences: `wavenet:8:32` has 8 levels of width 32.

By default the field is the longest that is no longer than the sequences. It classifies by the mean over steps.
"""

from torch import nn

from dlcli.core.models.causal_stacks import WaveNet, wavenet_levels
from dlcli.core.models.zoo.tcn import ARGUMENTS, RECIPE, SMALLEST, TAKES

__all__ = ["ARGUMENTS", "RECIPE", "SMALLEST", "TAKES", "build"]


def build(channels: int, size: tuple[int, int], classes: int, *, levels: int | None = None, width: int = 24) -> nn.Module:
    """A network of (n, channels, t) that returns logits (n, classes, t).

    Args:
        channels: Channels of the sequences.
        size: 1 and the number of steps of the longest.
        classes: Number of outputs.
        levels: Number of gated layers; None: as many as the steps allow.
        width: Channels of each.
    """
    return WaveNet(channels, classes, levels or wavenet_levels(size[1]), width)
