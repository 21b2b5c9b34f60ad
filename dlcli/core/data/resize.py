"""Limit the number of examples and resize images, the same way for every source."""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.data.base import ImageData, choose
from dlcli.support.memory import check_memory

MEMORY_HINT = "use a smaller `size=N` or fewer examples with `limit=N`"


def limit_examples(data: ImageData, limit: int | None) -> ImageData:
    """Keep at most `limit` examples of each set, chosen by `choose`."""
    if limit is None:
        return data
    return data.with_splits({name: split.take(choose(split.y.numpy(), limit)) for name, split in data.splits.items()})


def resize_images(data: ImageData, size: int | None) -> ImageData:
    """Resize the shorter side of every image to `size` (bilinear, antialiased) and crop the centre to a square."""
    if size is None or data.size == (size, size):
        return data
    shape = resized_shape(data.size, size)
    check_memory(
        4 * sum(split.x.shape[:-2].numel() for split in data.splits.values()) * shape[0] * shape[1], data.name, MEMORY_HINT
    )
    splits = {name: replace(split, x=_resized(split.x, shape, size)) for name, split in data.splits.items()}
    return data.with_splits(splits)


def _resized(x: Tensor, shape: tuple[int, int], size: int) -> Tensor:
    if not len(x):
        return x.new_empty(*x.shape[:-2], size, size)
    # `interpolate` takes (n, c, h, w), so the frames of a clip pass as further channels.
    planes = F.interpolate(x.flatten(1, -3), shape, mode="bilinear", antialias=True).clamp(0, 1)
    top, left = crop_origin(shape, size)
    return planes[..., top : top + size, left : left + size].reshape(*x.shape[:-2], size, size)


def resized_shape(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """Scale a height and width so that the shorter of the two is `size`.

    Returns:
        The new height and width, in pixels.
    """
    short = min(shape)
    return size * shape[0] // short, size * shape[1] // short


def crop_origin(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """Locate the central `size` x `size` square of an image of height and width `shape`.

    Returns:
        Its top row and left column, in pixels.
    """
    return round((shape[0] - size) / 2), round((shape[1] - size) / 2)
