"""The shapes of `i3d`, with the weights at the middle tap and zeros elsewhere: at first, every frame is seen by itself."""

from torch import Tensor

from dlcli.core.inflate.rules import i3d

TAPS = i3d.TAPS

DILATIONS = i3d.DILATIONS

choose_layers = i3d.choose_layers


def inflate_weight(weight: Tensor, taps: int) -> Tensor:
    """The weight of a layer along time."""
    wide = weight.new_zeros(*weight.shape[:2], taps, *weight.shape[2:])
    wide[:, :, taps // 2] = weight
    return wide
