"""Where the positions of the last map of a network for masks lie in the picture: at the centres of their receptive fields."""

from math import log2

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import in_mode
from dlcli.core.compute.rng import preserved
from dlcli.core.evaluation.receptive_field import FieldTracker, Reach
from dlcli.core.layers.dense_network import DenseNetwork, Grid, dense_part


def aligned(model: nn.Module, sample: Tensor) -> nn.Module:
    """`model`, whose map of scores is put where it belongs when it is upsampled; other networks as they are.

    A position stands for the centre of its receptive field. Spreading the positions evenly would move them: by 14 pixels in a
    VGG whose strides are dilations, since its poolings have no centre.

    Args:
        model: The network, changed in place, after surgery.
        sample: An example of its input, (1, c, h, w).
    """
    dense = dense_part(model)
    if dense is not None:
        dense.grid = _grid(dense, sample)
    return model


def _grid(dense: DenseNetwork, sample: Tensor) -> tuple[Grid, Grid]:
    x = sample.to(next(dense.parameters()))
    with preserved(), torch.no_grad(), in_mode(dense), FieldTracker(x) as tracker:
        found = dense.features(x)
        field = tracker.field_of(found)
    if not field:  # of networks that weigh channels by the whole image, whose windows are odd and padded
        high, wide = (Grid(2 ** round(log2(side / of)), 0) for side, of in zip(x.shape[-2:], found.shape[-2:], strict=True))
        return high, wide
    high, wide = (Grid(reach.jump, _centre(reach)) for reach in field)
    return high, wide


def _centre(reach: Reach) -> int:
    return (reach.right - reach.left) // 2
