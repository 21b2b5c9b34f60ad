"""What a corruption is, and how it changes a set of images: from the images, their places in the set and a seed alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.specs.corruptions import SEVERITIES
from dlcli.support.seeds import derive

Images = NDArray[np.float64]
"""Images (n, channels, rows, columns) in [0, 1], multiples of 1/255."""
Generators = Sequence[np.random.Generator]
"""The only source of the random numbers of each image, (n,)."""

LARGEST_SMALL = 64
"""Images whose shorter side is at most this have the settings of CIFAR-10-C, larger ones those of ImageNet-C."""
_LEVELS = 255
# Of a value that is a whole grey level but for rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Corruption:
    """One corruption.

    Attributes:
        apply: Changes images by one of the settings; the result may lie outside [0, 1].
        small: The settings of severities 1 to 5 for images of 32x32 pixels.
        large: Those for images of 224x224 pixels.
        channels: The numbers of channels for which it means something; any if empty.
    """

    apply: Callable[[Images, Any, Generators], Images]
    small: tuple[Any, ...]
    large: tuple[Any, ...]
    channels: tuple[int, ...] = ()


def is_small(rows: int, columns: int) -> bool:
    """Whether images of this size have the settings for small ones."""
    return min(rows, columns) <= LARGEST_SMALL


def corrupt(name: str, corruption: Corruption, x: Tensor, severity: int, places: Sequence[int], seed: int) -> Tensor:
    """Corrupt images as the published sets were made, to 8 bits per value.

    The random numbers of an image depend on the corruption, its place and the seed alone, so that they are the same for each
    severity, and for any part of the set.

    Args:
        name: The name of the corruption, which enters the seed.
        corruption: The corruption.
        x: Images (n, channels, rows, columns) in [0, 1].
        severity: From 1 to 5.
        places: Where the images stand in the whole set, (n,).
        seed: The seed of the run.

    Returns:
        The images (n, channels, rows, columns), float32 on the CPU, multiples of 1/255.
    """
    images = np.rint(x.cpu().numpy().astype(np.float64) * _LEVELS) / _LEVELS
    settings = corruption.small if is_small(*images.shape[2:]) else corruption.large
    generators = [np.random.default_rng(derive(seed, "corruption", name, int(place))) for place in places]
    changed = corruption.apply(images, settings[SEVERITIES.index(severity)], generators)
    return torch.from_numpy(to_levels(changed).astype(np.float32))


def to_levels(images: Images) -> Images:
    """Values cut off to whole grey levels in [0, 1], as the published sets were stored."""
    return np.floor(np.clip(images, 0, 1) * _LEVELS + _ROUNDING) / _LEVELS


def drawn(generators: Generators, draw: Callable[[np.random.Generator], NDArray[np.float64]]) -> Images:
    """What `draw` gives for each image, stacked: (n, ...)."""
    return np.stack([draw(one) for one in generators])


def channels_first(values: NDArray[Any]) -> NDArray[Any]:
    """Values (n, rows, columns, channels), the order in which the authors' code draws them, as (n, channels, rows, columns)."""
    return np.moveaxis(values, 3, 1)


def last_channels(images: Images) -> tuple[int, int, int]:
    """The shape of one image, channels last.

    Returns:
        Rows, columns and channels.
    """
    channels, rows, columns = images.shape[1:]
    return rows, columns, channels
