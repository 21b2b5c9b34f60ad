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
_FINE, _COARSE = 1.2, 2.0
_PATCH = 24
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
    ratio = float(np.clip((width / height) ** 0.5, 0.4, 2.5))
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
    fine, coarse = (
        blurring_weights(rows, len(grey), sigma) @ grey @ blurring_weights(columns, len(grey), sigma).T
        for sigma in (_FINE, _COARSE)
    )
    y, x, bright = _extrema(np.asarray(fine - coarse, np.float32))
    patches = fine.ravel()[(y * columns + x)[:, None] + _patch_offsets(columns)]
    found = patches @ _basis()
    signs = np.concatenate([found > 0, bright[:, None]], axis=1)
    codes = signs @ (1 << np.arange(BITS, dtype=np.int32))
    middle = np.float32(0.5)
    return Keypoints(x + middle, y + middle, codes, _variants(codes, found, flips), columns, rows)


def mirrored(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """The codes of the mirrored patches: mirroring changes the sign of the odd horizontal frequencies."""
    return codes ^ sum(1 << k for k, (_, u) in enumerate(_FREQUENCIES) if u % 2)


def _extrema(difference: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Rows, columns and signs of the largest local maxima of the absolute value whose patch is inside."""
    size, margin = np.abs(difference), _PATCH // 2
    rows, columns = size.shape
    if min(rows, columns) <= _PATCH:
        none = np.empty(0, np.intp)
        return none, none, np.empty(0, bool)
    lines = np.maximum(np.maximum(size[:-2], size[1:-1]), size[2:])
    peak = np.maximum(np.maximum(lines[:, :-2], lines[:, 1:-1]), lines[:, 2:])
    inner = size[margin : rows - margin + 1, margin : columns - margin + 1]
    around = peak[margin - 1 : rows - margin, margin - 1 : columns - margin]
    places = np.flatnonzero((inner == around) & (inner > _FAINTEST))
    strength = inner.ravel()[places]
    places = places[np.argsort(-strength, kind="stable")[:_MOST]]
    y, x = np.divmod(places, inner.shape[1])
    y, x = y + margin, x + margin
    return y, x, difference[y, x] > 0


@cache
def _patch_offsets(columns: int) -> NDArray[np.intp]:
    # An odd number of pixels, so that the patch is centred and mirroring keeps it.
    half = np.arange(-(_PATCH // 2) + 1, _PATCH // 2)
    return (half[:, None] * columns + half).ravel()


@cache
def _basis() -> Floats:
    """The DCT of a patch, (pixels, frequencies), under a Gaussian window: what is near the keypoint counts more."""
    n = _PATCH - 1
    cosines = np.cos(np.pi * np.arange(6)[:, None] * (np.arange(n) + 0.5) / n)
    window = np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 3)) ** 2)
    basis = np.stack([np.outer(cosines[v], cosines[u]) for v, u in _FREQUENCIES])
    weight = np.outer(window, window)
    basis -= (basis * weight).sum((1, 2), keepdims=True) / weight.sum()  # so that brightness has no influence
    return np.ascontiguousarray((basis * weight).reshape(len(basis), -1).T.astype(np.float32))


@cache
def _deviations() -> Floats:
    """Typical size of each frequency in photographs, whose amplitudes fall with the frequency."""
    return np.array([1 / np.hypot(v, u) for v, u in _FREQUENCIES], np.float32)


def _variants(codes: NDArray[np.int32], found: Floats, flips: int) -> NDArray[np.int32]:
    least = np.argsort(np.abs(found) / _deviations(), axis=1, kind="stable")[:, :flips]
    changes = (1 << least).astype(np.int32)
    variants = codes[:, None]
    for k in range(flips):
        variants = np.concatenate([variants, variants ^ changes[:, k : k + 1]], axis=1)
    return variants
