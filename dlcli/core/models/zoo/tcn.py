"""Temporal convolutions with dilations 1, 2, 4 ... (Bai et al. 2018), for sequences: `tcn:4:24` has 4 levels of width 24.

By default the field is the longest that is no longer than the sequences.
"""

from torch import nn

from dlcli.core.models.causal_stacks import Tcn, tcn_levels
from dlcli.core.training.recipe import Recipe

SMALLEST, TAKES = 1, "sequences"
ARGUMENTS = {"levels": 20, "width": 4096}

RECIPE = Recipe(
    epochs=10, batch_size=32, optimizer="adam", lr=4e-3, schedule="cosine", clip_norm=1.0, dtype="float32", threads=1
)


def build(channels: int, size: tuple[int, int], classes: int, *, levels: int | None = None, width: int = 24) -> nn.Module:
    """A network of (n, channels, t) that returns logits (n, classes, t).

    Args:
        channels: Channels of the sequences.
        size: 1 and the number of steps of the longest.
        classes: Number of outputs.
        levels: Number of residual blocks; None: as many as the steps allow.
        width: Channels of each.
    """
    return Tcn(channels, classes, levels or tcn_levels(size[1]), width)
