"""Blur: defocus, frosted glass, motion of the camera, and zoom."""

import numpy as np
from numpy.typing import NDArray

from dlcli.core.corruptions.base import Generators, Images, drawn, to_levels
from dlcli.core.corruptions.filters import clipped_zoom, disk_blur, gaussian_blur
from dlcli.core.corruptions.filters import motion_blur as blurred_along

Index = NDArray[np.int64]


def defocus_blur(images: Images, setting: tuple[float, float], generators: Generators) -> Images:
    """The mean over a disk; the setting is its radius and how much its rim is smoothed."""
    return disk_blur(images, *setting)


def glass_blur(images: Images, setting: tuple[float, int, int], generators: Generators) -> Images:
    """Pixels take the colour of others nearby, between two Gaussian blurs.

    The setting is the standard deviation of the blurs, the largest shift in pixels, and how many times pixels are replaced. One
    after the other, from the lower right on, each takes the colour that another has by then, as in the authors' code.
    """
    sigma, reach, rounds = setting
    blurred = to_levels(gaussian_blur(images, sigma))
    rows, columns = images.shape[2:]
    at_row, at_column = (np.arange(size - reach, reach, -1) for size in (rows, columns))
    at_row, at_column = at_row[at_row < rows], at_column[at_column < columns]
    places = (at_row[:, None] * columns + at_column).ravel()
    found = blurred.reshape(*images.shape[:2], -1)
    for k, one in enumerate(generators):
        for _ in range(rounds):
            shift = one.integers(-reach, reach, size=(len(places), 2))
            found[k] = found[k][:, _origins(places, places + shift[:, 1] * columns + shift[:, 0], rows * columns)]
    return gaussian_blur(found.reshape(images.shape), sigma)


def _origins(places: Index, sources: Index, pixels: int) -> Index:
    """From which pixel each of `pixels` has its colour once `places` took those of `sources`, one after the other."""
    origin, turn = np.arange(pixels), np.full(pixels, len(places))
    origin[places], turn[places] = sources, np.arange(len(places))
    # A source whose turn was before has the colour of its own source by then, any other still its own.
    follows = np.zeros(pixels, dtype=bool)
    follows[places] = turn[sources] < turn[places]
    while follows.any():
        behind = origin[follows]
        origin[follows], follows[follows] = origin[behind], follows[behind]
    return origin


def motion_blur(images: Images, setting: tuple[int, float], generators: Generators) -> Images:
    """Motion in a direction of at most 45 degrees from the horizontal; the setting is the radius and standard deviation."""
    return blurred_along(images, *setting, drawn(generators, lambda one: np.asarray(one.uniform(-45, 45))))


def zoom_blur(images: Images, setting: tuple[float, float], generators: Generators) -> Images:
    """The mean of the picture and of its enlargements; the setting is the end of the factors from 1 on, and their step."""
    factors = np.arange(1, *setting)
    return (images + sum(clipped_zoom(images, float(factor)) for factor in factors)) / (len(factors) + 1)
