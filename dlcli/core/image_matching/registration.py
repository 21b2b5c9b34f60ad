"""Register pairs of images to a fraction of a pixel, and sample what both show."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.image_matching.alignments import Alignments, Span
from dlcli.core.image_matching.resampling import Floats, resampling_weights

_EDGE = 2.0
"""Pixels of the grey copies along the edges that are not compared: they have colours from beyond the edge mixed in."""
_LARGEST_STEP = 0.05
_SCALES = (0.4, 2.5)


class Patches(NamedTuple):
    """What both images of each pair show, (pairs, samples, samples) in grey levels."""

    first: Floats
    second: Floats


class Refined(NamedTuple):
    """Pairs, and the correlation of what both images show, (pairs,)."""

    pairs: Alignments
    correlation: Floats


def overlapping_patches(grey: NDArray[np.uint8], pairs: Alignments, samples: int) -> Patches:
    """Sample what both images of each pair show; `grey` are the grey copies of all images, (n, side, side)."""
    across, along = _inner(pairs.across, grey.shape[2]), _inner(pairs.along, grey.shape[1])
    second = grey[pairs.second]
    second[pairs.mirror] = second[pairs.mirror, :, ::-1]
    there = _moved(across, pairs.scale_x, pairs.shift_x), _moved(along, pairs.scale_y, pairs.shift_y)
    return Patches(_sampled(grey[pairs.first], across, along, samples), _sampled(second, *there, samples))


def refine(grey: NDArray[np.uint8], pairs: Alignments, samples: int, steps: int) -> Refined:
    """Improve alignments by Gauss-Newton steps on the difference of what both images show (Lucas and Kanade 1981).

    Args:
        grey: Grey copies of all images, (n, side, side).
        pairs: The pairs, aligned to about a pixel of `samples`.
        samples: Height and width at which they are compared.
        steps: Number of steps.

    Returns:
        The pairs, each with the best of the alignments on the way: of fine stripes each step is longer than the one before.
    """
    best, correlation = pairs, np.full(len(pairs), -1, np.float32)
    for step in range(steps + 1):
        a, b = map(standardised, overlapping_patches(grey, pairs, samples))
        now = (a * b).mean((1, 2))
        better = now > correlation
        best, correlation = _choose(better, pairs, best), np.where(better, now, correlation)
        if step < steps:
            pairs = _moved_on(pairs, a, b, grey.shape[1:])
    return Refined(best, correlation)


def _moved_on(pairs: Alignments, a: Floats, b: Floats, shape: tuple[int, ...]) -> Alignments:
    """The pairs after a step; `a` and `b` are their standardised patches."""
    jacobian = _jacobian(np.asarray((a + b) / 2, np.float32), pairs, shape)
    normal = jacobian @ jacobian.transpose(0, 2, 1)
    damping = 2.5e-4 * np.trace(normal, axis1=1, axis2=2) + 1e-6  # of images without detail the matrix is singular
    normal += np.eye(4, dtype=np.float32) * damping[:, None, None].astype(np.float32)
    wanted = jacobian @ (a - b).reshape(len(pairs), -1, 1)
    step = np.clip(np.linalg.solve(normal, wanted)[:, :, 0], -_LARGEST_STEP, _LARGEST_STEP).astype(np.float32)
    return replace(
        pairs,
        shift_x=pairs.shift_x + step[:, 0],
        scale_x=np.clip(pairs.scale_x + step[:, 1], *_SCALES),
        shift_y=pairs.shift_y + step[:, 2],
        scale_y=np.clip(pairs.scale_y + step[:, 3], *_SCALES),
    )


def _choose(which: NDArray[np.bool_], these: Alignments, others: Alignments) -> Alignments:
    """Of the same pairs `these` alignments where `which` is true, and elsewhere the others."""
    return Alignments(*(np.where(which, *both) for both in zip(vars(these).values(), vars(others).values(), strict=True)))


def standardised(patches: Floats) -> Floats:
    """Patches (n, height, width) with mean 0 and standard deviation 1; flat ones become 0."""
    centred = patches - patches.mean((1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(centred.std((1, 2), keepdims=True), np.float32(1e-3)), np.float32)


def _jacobian(patches: Floats, pairs: Alignments, shape: tuple[int, ...]) -> Floats:
    """Derivatives of the samples by the shift and scale in x and in y, (pairs, 4, samples of a patch)."""
    samples = patches.shape[1]
    middles = (np.arange(samples, dtype=np.float32) + np.float32(0.5)) / samples
    columns = []
    for axis, span, scale in ((2, pairs.across, pairs.scale_x), (1, pairs.along, pairs.scale_y)):
        inner = _inner(span, shape[axis - 1])
        slope = np.gradient(patches, axis=axis) * (samples / (inner.length * scale))[:, None, None]
        place = np.expand_dims(inner.low[:, None] + inner.length[:, None] * middles, 3 - axis)
        columns += [slope, slope * place]
    return np.stack(columns, axis=1).reshape(len(patches), 4, samples * samples)


def _inner(span: Span, pixels: int) -> Span:
    """The part without its edges, and of a part that is nearly empty a small one around its middle."""
    middle = np.asarray((span.low + span.high) / 2, np.float32)
    half = np.asarray(np.maximum(span.length / 2 - _EDGE / pixels, 0.02), np.float32)
    return Span(np.asarray(middle - half, np.float32), np.asarray(middle + half, np.float32))


def _moved(span: Span, scale: Floats, shift: Floats) -> Span:
    return Span(scale * span.low + shift, scale * span.high + shift)


def _sampled(grey: NDArray[np.uint8], across: Span, along: Span, samples: int) -> Floats:
    rows = resampling_weights(along.low, along.high, samples, grey.shape[1])
    columns = resampling_weights(across.low, across.high, samples, grey.shape[2])
    return np.asarray(rows @ grey.astype(np.float32) @ columns.transpose(0, 2, 1))
