"""Keypoints of an image with short binary codes, from which copies are recognised although they are cropped or mirrored.

Keypoints are the extrema of a difference of Gaussians (Lowe 2004) in a canvas of `AREA` pixels, at three scales: the canvas of
an image cropped to 70% of its area shows its content 1.2 times as large. The code of a keypoint is the signs of the lowest
frequencies (DCT) of the patch around it: a perceptual hash, but of a patch.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dlcli.core.image_matching.resampling import Floats, blurring_weights

SCALES = (1.0, 1.095, 1.2)
"""Magnifications at which an image is looked up; the index has the first one."""
SIDE = 80
"""Square root of the area of the canvas."""
_FINE, _BLUR = 1.2, 1.6
"""Widths of the finer Gaussian, in pixels of the canvas, and of the one that blurs it further, to 2."""
_HALF = 11
_PATCH = 2 * _HALF + 1
"""Side of a patch, in pixels: an odd number, so that it is centred and mirroring keeps it."""
_MOST = 40
_FAINTEST = 0.8
"""Smallest difference of Gaussians of a keypoint, in grey levels."""
_FREQUENCIES = tuple((v, u) for s in range(1, 11) for v in range(s + 1) if (u := s - v) < 6 and v < 6)[:30]
BITS = len(_FREQUENCIES) + 1
FLIPS = 3
"""Of the bits of a code the least certain ones, which are looked up both ways."""


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of an image at one scale.

    Attributes:
        x: Distance from the left edge in pixels of the canvas, (k,).
        y: Distance from the top, (k,).
        codes: Binary codes, (k,).
        unsure: The codes with their least certain bits flipped in all ways, (k, 2**flips); the first is the code itself.
        width: Width of the canvas.
        height: Height of the canvas.
    """

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    codes: NDArray[np.int32]
    unsure: NDArray[np.int32]
    width: int
    height: int


def canvas_shape(width: int, height: int, scale: float = 1.0) -> tuple[int, int]:
    """The shape of the canvas of an image.

    Returns:
        Height and width, in pixels.
    """
    ratio = min(max((width / height) ** 0.5, 0.4), 2.5)
    return round(SIDE * scale / ratio), round(SIDE * scale * ratio)


def find_keypoints(grey: Floats, width: int, height: int, scale: float, flips: int = FLIPS) -> Keypoints:
    """Find the keypoints of an image.

    Args:
        grey: The grey copy of the image, square.
        width: Width of the image itself.
        height: Its height.
        scale: Magnification of the canvas.
        flips: How many bits of a code are unsure.

    Returns:
        The strongest keypoints.
    """
    rows, columns = canvas_shape(width, height, scale)
    fine = blurring_weights(rows, len(grey), _FINE) @ grey @ blurring_weights(columns, len(grey), _FINE).T
    edge = _HALF - 1  # with one pixel more than the keypoints can be at
    inner = slice(edge, -edge)
    coarse = blurring_weights(rows, rows, _BLUR)[inner] @ fine @ blurring_weights(columns, columns, _BLUR)[inner].T
    y, x, bright = _extrema(np.asarray(fine[inner, inner] - coarse, np.float32))
    # What `sliding_window_view` gives, but that takes a tenth of the time of this function.
    windows = np.ndarray((rows - 2 * _HALF, columns - 2 * _HALF, _PATCH, _PATCH), fine.dtype, fine, strides=2 * fine.strides)
    found = windows[y, x].reshape(len(y), _PATCH**2) @ _basis()
    signs = np.concatenate([found > 0, bright[:, None]], axis=1)
    codes = signs @ (1 << np.arange(BITS, dtype=np.int32))
    middle = np.float32(_HALF + 0.5)
    return Keypoints(x + middle, y + middle, codes, _variants(codes, found, flips), columns, rows)


def mirrored(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """The codes of the mirrored patches: mirroring changes the sign of the odd horizontal frequencies."""
    return codes ^ sum(1 << k for k, (_, u) in enumerate(_FREQUENCIES) if u % 2)


def _extrema(difference: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Rows, columns and signs of the largest local maxima of the absolute value; those are counted without the border."""
    size, inner = np.abs(difference), difference[1:-1, 1:-1]
    lines = np.maximum(np.maximum(size[:-2], size[1:-1]), size[2:])
    peak = np.maximum(np.maximum(lines[:, :-2], lines[:, 1:-1]), lines[:, 2:])
    places = np.flatnonzero((size[1:-1, 1:-1] == peak) & (peak > _FAINTEST))
    places = places[np.argsort(-peak.ravel()[places], kind="stable")[:_MOST]]
    y, x = np.divmod(places, peak.shape[1])
    return y, x, inner[y, x] > 0


@cache
def _basis() -> Floats:
    """The DCT of a patch, (pixels, frequencies), under a Gaussian window: what is near the keypoint counts more."""
    cosines = np.cos(np.pi * np.arange(6)[:, None] * (np.arange(_PATCH) + 0.5) / _PATCH)
    window = np.exp(-0.5 * ((np.arange(_PATCH) - _PATCH // 2) / (_PATCH / 3)) ** 2)
    basis = np.stack([np.outer(cosines[v], cosines[u]) for v, u in _FREQUENCIES])
    weight = np.outer(window, window)
    basis -= (basis * weight).sum((1, 2), keepdims=True) / weight.sum()  # so that brightness has no influence
    return np.ascontiguousarray((basis * weight).reshape(len(basis), -1).T.astype(np.float32))


@cache
def _deviations() -> Floats:
    """Typical size of each frequency in photographs, whose amplitudes fall with the frequency."""
    return np.array([1 / np.hypot(v, u) for v, u in _FREQUENCIES], np.float32)


def _variants(codes: NDArray[np.int32], found: Floats, flips: int) -> NDArray[np.int32]:
    least = np.argpartition(np.abs(found) / _deviations(), flips, axis=1)[:, :flips]
    changes = (1 << least).astype(np.int32)
    variants = codes[:, None]
    for k in range(flips):
        variants = np.concatenate([variants, variants ^ changes[:, k : k + 1]], axis=1)
    return variants
