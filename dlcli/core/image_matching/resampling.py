"""Resample images by matrices: rows @ image @ columns.T, antialiased, over any part of an image."""

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
    width = np.maximum(step, 1)[:, None, None]
    middles = np.arange(pixels, dtype=np.float32) + np.float32(0.5)
    weights = np.maximum(1 - np.abs(middles - np.clip(centres, 0.5, pixels - 0.5)[:, :, None]) / width, 0)
    weights /= weights.sum(2, keepdims=True)
    return np.asarray(weights, np.float32)


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
