"""`tcn` without dilation, for sequences: weights of the same shapes and a short field."""

from torch import nn

from dlcli.core.models.causal_stacks import Tcn, tcn_levels
from dlcli.core.models.zoo.tcn import ARGUMENTS, RECIPE, SMALLEST, TAKES

__all__ = ["ARGUMENTS", "RECIPE", "SMALLEST", "TAKES", "build"]


def build(channels: int, size: tuple[int, int], classes: int, *, levels: int | None = None, width: int = 24) -> nn.Module:
    """A network of (n, channels, t) that returns logits (n, classes, t).

    Args:
        channels: Channels of the sequences.
        size: 1 and the number of steps of the longest.
        classes: Number of outputs.
        levels: Number of residual blocks; None: as many as `tcn` has.
        width: Channels of each.
    """
    return Tcn(channels, classes, levels or tcn_levels(size[1]), width, dilated=False)
