"""Candidate pairs by a perceptual hash of the whole image: copies that are not cropped, also mirrored ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.image_matching.alignments import Alignments, join_alignments, no_alignments
from dlcli.core.image_matching.resampling import Floats, blurring_weights

_FREQUENCIES = 8
_MIN_COSINE = 0.8
_BLOCK = 512
"""Images that are compared with all others at once."""


class Hashes(NamedTuple):
    """Hashes of unit length of the images and of the mirrored images, (n, frequencies)."""

    upright: Floats
    mirrored: Floats


def whole_image_pairs(grey: NDArray[np.uint8]) -> Alignments:
    """Find pairs by the low frequencies of the grey copies, (n, side, side), of whole images.

    The hash is that of pHash (Zauner 2010), but not rounded to bits: the lowest frequencies of the DCT, each divided by its
    typical size. So the cosine of two hashes does not depend on brightness and contrast.
    """
    if not len(grey):
        return no_alignments()
    hashes = image_hashes(grey)
    parts = []
    for start in range(0, len(grey), _BLOCK):
        for others, mirror in ((hashes.upright, False), (hashes.mirrored, True)):
            rows, columns = np.nonzero(hashes.upright[start : start + _BLOCK] @ others[start:].T >= _MIN_COSINE)
            later = rows < columns
            parts.append(_same_place(rows[later] + start, columns[later] + start, mirror=mirror))
    return join_alignments(parts)


def pairs_between(first: Hashes, second: Hashes) -> Alignments:
    """The pairs of one image of each of two sets, as `whole_image_pairs` finds them; those of the second set come last."""
    parts = [no_alignments()]
    for start in range(0, len(first.upright), _BLOCK):
        for others, mirror in ((second.upright, False), (second.mirrored, True)):
            rows, columns = np.nonzero(first.upright[start : start + _BLOCK] @ others.T >= _MIN_COSINE)
            parts.append(_same_place(rows + start, columns + len(first.upright), mirror=mirror))
    return join_alignments(parts)


def image_hashes(grey: NDArray[np.uint8]) -> Hashes:
    """The hashes of grey copies, (n, side, side)."""
    samples = 2 * _FREQUENCIES
    weights = blurring_weights(samples, grey.shape[1], 0.5)
    small = np.stack([weights @ image.astype(np.float32) @ weights.T for image in grey])
    angles = np.pi * np.arange(_FREQUENCIES)[:, None] * (np.arange(samples) + 0.5) / samples
    cosines = np.cos(angles).astype(np.float32)
    v, u = np.indices((_FREQUENCIES, _FREQUENCIES)).reshape(2, -1)[:, 1:]  # without the mean
    # Amplitudes in photographs fall with the frequency.
    upright = (cosines @ small @ cosines.T).reshape(len(grey), -1)[:, 1:] * np.hypot(v, u).astype(np.float32)
    upright /= np.maximum(np.linalg.norm(upright, axis=1, keepdims=True), 1e-6)
    return Hashes(upright, upright * np.where(u % 2, -1, 1).astype(np.float32))


def _same_place(first: NDArray[np.intp], second: NDArray[np.intp], *, mirror: bool) -> Alignments:
    one, zero = np.ones(len(first), np.float32), np.zeros(len(first), np.float32)
    return Alignments(first.astype(np.int64), second.astype(np.int64), np.full(len(first), mirror), one, zero, one, zero)
