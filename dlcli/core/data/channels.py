"""Convert images in colour to grey, or grey ones to colour."""

from dataclasses import replace

import torch
from torch import Tensor

from dlcli.core.data.base import ImageData
from dlcli.support.errors import InputError
from dlcli.support.plural import count

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), as in Pillow."""


def with_channels(data: ImageData, channels: int) -> ImageData:
    """The same images with 1 or 3 channels, where they have 3 or 1; others are returned as they are.

    Raises InputError if they are streamed from a file.
    """
    if {data.channels, channels} != {1, 3}:
        return data
    if any(not split.x.is_floating_point() for split in data.splits.values()):
        hint = "convert the files beforehand, or use a smaller `size=N` or fewer examples with `limit=N`"
        raise InputError(
            f"{data.name}: the network takes {count(channels, 'channel')}, and these have {data.channels}", hint=hint
        )
    convert = _grey if channels == 1 else _colour
    return data.with_splits({name: replace(split, x=convert(split.x)) for name, split in data.splits.items()})


def _grey(x: Tensor) -> Tensor:
    """(n, 3, ...) to (n, 1, ...), in steps of 1/255 as in a grey file."""
    weights = torch.tensor(_LUMA).view(3, *[1] * (x.dim() - 2))
    return (x * weights).sum(1, keepdim=True).mul(255).round().div(255)


def _colour(x: Tensor) -> Tensor:
    return x.repeat(1, 3, *[1] * (x.dim() - 2))
