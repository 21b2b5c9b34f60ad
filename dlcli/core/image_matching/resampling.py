"""Resample images by matrices: rows @ image @ columns.T, antialiased, over any part of an image."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_FAINTEST = 1e-9
"""Smaller weights than this change no sum of floats, but those near the smallest float, subnormal, slow products twentyfold."""


def resampling_weights(low: Floats, high: Floats, samples: int, pixels: int) -> Floats:
    """Weights that resample the part from `low` to `high` of a line of pixels; its ends are 0 and 1.

    The filter is a triangle as wide as a sample or a pixel, whichever is wider, so that neither aliases.

    Args:
        low: Start of the part for each line, (p,).
        high: Its end, (p,).
        samples: Number of samples, in the middles of equal intervals.
        pixels: Number of pixels of the line.

    Returns:
        The weights, (p, samples, pixels); each row sums to 1.
    """
    step = (high - low) * np.float32(pixels / samples)
    centres = low[:, None] * pixels + step[:, None] * (np.arange(samples, dtype=np.float32) + np.float32(0.5))
    centres = np.clip(centres, np.float32(0.5), np.float32(pixels - 0.5))
    width = np.maximum(step, 1)[:, None]
    # Few pixels are under a triangle, so only these are computed: (taps, p, samples).
    taps = min(math.ceil(2 * width.max(initial=1)), pixels)
    start = np.clip(np.ceil(centres - width - np.float32(0.5)), 0, pixels - taps)
    place = start + np.arange(taps, dtype=np.float32)[:, None, None]
    found = np.maximum(1 - np.abs(place + np.float32(0.5) - centres) / width, 0)
    weights = np.zeros((*start.shape, pixels), np.float32)
    line = np.arange(0, weights.size, pixels).reshape(start.shape)
    weights.ravel()[line + place.astype(np.intp)] = found / found.sum(0)
    return weights


@lru_cache(maxsize=4096)
def blurring_weights(samples: int, pixels: int, sigma: float) -> Floats:
    """Weights, (samples, pixels), that resample a whole line and blur it by a Gaussian of `sigma` samples."""
    ratio = pixels / samples
    centres = (np.arange(samples) + 0.5) * ratio
    apart = (np.arange(pixels) + 0.5 - centres[:, None]) / (sigma * ratio)
    weights = np.exp(-0.5 * apart**2)
    weights[weights < _FAINTEST] = 0
    weights /= weights.sum(1, keepdims=True)
    return weights.astype(np.float32)


def halved(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images, (n, side, side), at half the height and width, each pixel the mean of four."""
    small = np.empty((len(grey), grey.shape[1] // 2, grey.shape[2] // 2), np.uint8)
    for image, found in zip(grey, small, strict=True):
        lines = np.add(image[::2], image[1::2], dtype=np.uint16)
        found[:] = (lines[:, ::2] + lines[:, 1::2]) // 4
    return small
