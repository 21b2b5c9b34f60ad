"""Fewer examples, and images of another size, the same way for every source."""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.data.base import ImageData, choose
from dlcli.support.memory import check_memory

MEMORY_HINT = "--size N makes them smaller, --limit N takes fewer"


def limit_examples(data: ImageData, limit: int | None) -> ImageData:
    """At most `limit` examples of each set, by `choose`."""
    if limit is None:
        return data
    return data.with_splits({name: split.take(choose(split.y.numpy(), limit)) for name, split in data.splits.items()})


def resize_images(data: ImageData, size: int | None) -> ImageData:
    """Every image brought to `size` x `size`: its shorter side resized (bilinear, antialiased), then the centre cropped."""
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
    # The frames of a clip are so many more channels.
    planes = F.interpolate(x.flatten(1, -3), shape, mode="bilinear", antialias=True).clamp(0, 1)
    top, left = crop_origin(shape, size)
    return planes[..., top : top + size, left : left + size].reshape(*x.shape[:-2], size, size)


def resized_shape(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """Height and width once the shorter of the two is `size`."""
    short = min(shape)
    return size * shape[0] // short, size * shape[1] // short


def crop_origin(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """Top and left of the central `size` x `size` pixels of an image of height and width `shape`."""
    return round((shape[0] - size) / 2), round((shape[1] - size) / 2)
