"""Filters that several corruptions use; each acts on the last two axes of (n, channels, rows, columns)."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter
from scipy.signal import fftconvolve

from dlcli.core.corruptions.base import Images

Array = NDArray[np.float64]


def gaussian_blur(images: Images, sigma: float) -> Images:
    """A Gaussian of standard deviation `sigma` pixels, cut at four of them, with the border repeated."""
    return np.asarray(gaussian_filter(images, sigma, axes=(2, 3), mode="nearest", truncate=4))


def disk_blur(images: Images, radius: float, alias_blur: float) -> Images:
    """The mean over a disk of `radius` pixels whose rim is smoothed; borders are mirrored."""
    kernel = _disk(radius, alias_blur)
    # A picture smaller than the kernel is mirrored more than once.
    reach = len(kernel) // 2
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
    return np.asarray(fftconvolve(padded, kernel[None, None], mode="valid", axes=(2, 3)))


@cache
def _disk(radius: float, alias_blur: float) -> Array:
    """The kernel: 1 inside the disk, scaled to sum 1, blurred by a Gaussian of 3 pixels, or 5 for a radius above 8."""
    reach, half = (8, 1) if radius <= 8 else (int(radius), 2)
    line = np.arange(-reach, reach + 1)
    disk = ((line[:, None] ** 2 + line**2) <= radius**2).astype(np.float64)
    weights = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * alias_blur**2))
    weights /= weights.sum()
    blurred = correlate1d(disk / disk.sum(), weights, axis=0, mode="mirror")
    return np.asarray(correlate1d(blurred, weights, axis=1, mode="mirror"))


def motion_blur(images: Images, radius: int, sigma: float, degrees: Array) -> Images:
    """Half a Gaussian along a line from each pixel, as a camera in motion sees it.

    Args:
        images: Images (n, channels, rows, columns).
        radius: The line has 2 * radius + 1 points; those that reach beyond the size of the picture do not count.
        sigma: Standard deviation along the line, in pixels.
        degrees: The direction for each image, (n,); 0 is to the right.

    Returns:
        The blurred images; beyond the border its pixels are repeated.
    """
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    return np.stack([_along(image, weights, math.radians(angle)) for image, angle in zip(images, degrees, strict=True)])


def _along(image: Array, weights: Array, angle: float) -> Array:
    rows, columns = image.shape[1:]
    found = np.zeros_like(image)
    for k, weight in enumerate(weights):
        down, right = (math.ceil(k * part - 0.5) for part in (math.sin(angle), math.cos(angle)))
        if abs(down) >= rows or abs(right) >= columns:
            break
        at_row = np.clip(np.arange(rows) + down, 0, rows - 1)
        at_column = np.clip(np.arange(columns) + right, 0, columns - 1)
        found += weight * image[:, at_row[:, None], at_column]
    return found


def clipped_zoom(images: Images, factor: float) -> Images:
    """The middle of the images, enlarged by `factor` to their size, with linear interpolation."""
    return np.asarray(_enlarging(images.shape[2], factor) @ images @ _enlarging(images.shape[3], factor).T)


@cache
def _enlarging(size: int, factor: float) -> Array:
    """The matrix (size, size) that enlarges the middle of a line of `size` values."""
    kept = math.ceil(size / factor)
    first = (size - kept) // 2
    enlarged = round(kept * factor)
    trimmed = (enlarged - size) // 2
    # The ends of both lines coincide, as in scipy.ndimage.zoom.
    at = (np.arange(size) + trimmed) * ((kept - 1) / max(enlarged - 1, 1))
    lower = np.minimum(np.floor(at).astype(int), kept - 1)
    matrix = np.zeros((size, size))
    rows = np.arange(size)
    np.add.at(matrix, (rows, first + lower), 1 - (at - lower))
    np.add.at(matrix, (rows, first + np.minimum(lower + 1, kept - 1)), at - lower)
    return matrix
