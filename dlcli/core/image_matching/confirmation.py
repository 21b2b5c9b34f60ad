"""Confirm candidate pairs on pixels: what both images show has to agree everywhere, and to have detail to agree in.

Two photographs of a burst, or two pages with the same layout, correlate as well as an image and its copy. They differ in
places, so each of 8 x 8 blocks has to agree. Flat images and smooth gradients agree with anything: they are never confirmed.
Of some sets different images agree as well as copies of others do, such as handwritten digits: `_above_look_alikes`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.image_matching.alignments import Alignments, join_alignments, no_alignments
from dlcli.core.image_matching.registration import overlapping_patches, refine, standardised
from dlcli.core.image_matching.resampling import Floats, halved
from dlcli.support.reporter import Task

MIN_CORRELATION = 0.95
"""Smallest correlation of a near duplicate."""
MIN_SHOWN = 0.55
"""Smallest part of the area of either image that the other one shows."""
_MAX_DIFFERENCE = 0.7
"""Largest difference in a block, as a fraction of its variance."""
_MIN_DETAIL = 4.0
"""Smallest standard deviation, in grey levels, beyond a smooth gradient."""
_NOISE, _NOISE_OF_FEW = 4.0, 8.0
"""Standard deviation, in grey levels, of what compression adds, and that in images of few pixels, which nothing averages."""
FEW = 48
"""Fewer pixels than these along a side are few."""
_COARSE, _MIDDLE, _NEARLY_FINE, _FINE = (16, 0.7), (24, 0.75), (48, 0.78), (48, 0.85)
"""Numbers of samples, and the correlation from which on a candidate is looked at further."""
_BLOCKS = 8
_SMALL = 80
"""Smaller parts, in pixels, are compared at 32 samples, others at 64."""
_BATCH = 128
_POWER = 2.5
"""The number of pairs of different images that are within some distance of 1 grows with about this power of the distance."""
_SHORT = 4.0
"""How many times as many there are among handwritten digits, since the nearest pair of each image is not counted."""
_FALSE, _FALSE_SHARE = 0.1, 0.005
"""How many pairs of different images may be expected among the near duplicates: these, or this share of all."""


class ConfirmedPairs(NamedTuple):
    """Pairs of near duplicates, sorted, each once, with the correlation of the pixels, (pairs,)."""

    pairs: Alignments
    score: Floats


def confirm(grey: NDArray[np.uint8], sizes: NDArray[np.integer], candidates: Alignments, task: Task) -> ConfirmedPairs:
    """Confirm candidate pairs on pixels.

    Args:
        grey: Grey copies of the images, (n, side, side).
        sizes: Widths and heights of the images, (n, 2).
        candidates: The pairs; of several alignments of a pair the best one is tried.
        task: Counts pairs.

    Returns:
        The near duplicates.
    """
    half = halved(grey)
    chosen = _best_alignments(halved(half), candidates)
    parts, correlation, accepted = [no_alignments()], [np.empty(0, np.float32)], [np.empty(0, bool)]
    for start in range(0, len(chosen), _BATCH):
        pairs = _registered(grey, half, chosen.take(slice(start, start + _BATCH)))
        pairs = pairs.take((pairs.first_shown >= MIN_SHOWN) & (pairs.second_shown >= MIN_SHOWN))
        agreement = _agreement(grey, sizes, pairs)
        parts.append(pairs)
        correlation.append(agreement.correlation)
        accepted.append(agreement.accepted)
        task.advance(min(_BATCH, len(chosen) - start))
    every, score, good = join_alignments(parts), np.concatenate(correlation), np.concatenate(accepted)
    kept = good & (score >= _above_look_alikes(every, score, good))
    return ConfirmedPairs(every.take(kept), score[kept])


def _above_look_alikes(pairs: Alignments, score: Floats, accepted: NDArray[np.bool_]) -> float:
    """The correlation from which on few of the accepted pairs are expected to be of different images.

    Pairs that are rejected for their correlation tell how common look-alikes are, but for the best pair of an image, which may
    be a copy that was changed too much. Their number is extrapolated.

    Args:
        pairs: The pairs that were registered.
        score: Their correlations, (pairs,).
        accepted: Which are near duplicates by themselves, (pairs,).

    Returns:
        The correlation, at least `MIN_CORRELATION`.
    """
    best = np.zeros(1 + max(pairs.first.max(initial=0), pairs.second.max(initial=0)), score.dtype)
    for side in (pairs.first, pairs.second):
        np.maximum.at(best, side, score)
    runner_up = (score < MIN_CORRELATION) & (score < best[pairs.first]) & (score < best[pairs.second])
    within, farthest = 1 - MIN_CORRELATION, 1 - _FINE[1]
    expected = _SHORT * runner_up.sum() / ((farthest / within) ** _POWER - 1)
    ordered = np.minimum(1.0, np.sort(score[accepted])[::-1].astype(np.float64))
    false = expected * ((1 - ordered) / within) ** _POWER
    fine = np.flatnonzero(false <= np.maximum(_FALSE, _FALSE_SHARE * np.arange(1, len(ordered) + 1)))
    return float(ordered[fine[-1]]) if len(fine) else 1.0


def has_detail(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether images, (n, side, side), have more than a smooth gradient, (n,)."""
    found = [_detail(grey[start : start + _BATCH].astype(np.float32)) for start in range(0, len(grey), _BATCH)]
    return np.concatenate([np.empty(0, np.float32), *found]) >= _MIN_DETAIL


def _best_alignments(small: NDArray[np.uint8], candidates: Alignments) -> Alignments:
    """The alignment of each pair with the highest correlation, if that is worth a closer look.

    There are many candidates, so this looks at `small`, copies of a quarter of the size.
    """
    starts = range(0, len(candidates), 4 * _BATCH)
    coarse = [_correlation(small, candidates.take(slice(start, start + 4 * _BATCH)), _COARSE[0]) for start in starts]
    correlation = np.concatenate([np.empty(0, np.float32), *coarse])
    shift = np.round(candidates.shift_x, 4)  # makes the order unique
    order = np.lexsort((shift, candidates.mirror, -correlation, candidates.second, candidates.first))
    pairs = np.stack([candidates.first, candidates.second])[:, order]
    kept = order[np.unique(pairs, axis=1, return_index=True)[1]]
    return candidates.take(kept[correlation[kept] >= _COARSE[1]])


def _registered(grey: NDArray[np.uint8], half: NDArray[np.uint8], pairs: Alignments) -> Alignments:
    """The pairs that may be copies, aligned exactly; most are dropped on copies of half the size, or after one more step."""
    for (samples, least), steps, copies in ((_MIDDLE, 5, half), (_NEARLY_FINE, 1, grey), (_FINE, 2, grey)):
        refined = refine(copies, pairs, samples, steps)
        pairs = refined.pairs.take(refined.correlation >= least)
    return pairs


def _correlation(grey: NDArray[np.uint8], pairs: Alignments, samples: int) -> Floats:
    a, b = map(standardised, overlapping_patches(grey, pairs, samples))
    found: Floats = (a * b).mean((1, 2))
    return found


class _Agreement(NamedTuple):
    accepted: NDArray[np.bool_]
    correlation: Floats


def _agreement(grey: NDArray[np.uint8], sizes: NDArray[np.integer], pairs: Alignments) -> _Agreement:
    """Compare what both images of each pair show, at a resolution that both have."""
    pixels = [
        span.length * np.minimum(sizes[pairs.first, axis], sizes[pairs.second, axis] * scale)
        for axis, (span, scale) in enumerate(((pairs.across, pairs.scale_x), (pairs.along, pairs.scale_y)))
    ]
    small = np.minimum(*pixels) < _SMALL
    accepted, correlation = np.zeros(len(pairs), bool), np.zeros(len(pairs), np.float32)
    for samples, which in ((32, np.flatnonzero(small)), (64, np.flatnonzero(~small))):
        first, second = overlapping_patches(grey, pairs.take(which), samples)
        a, b = standardised(first), standardised(second)
        correlation[which] = (a * b).mean((1, 2))
        level = np.where(np.minimum(*pixels)[which] < FEW, np.float32(_NOISE_OF_FEW), np.float32(_NOISE))
        noise = level / np.maximum(np.minimum(first.std((1, 2)), second.std((1, 2))), np.float32(1e-3))
        accepted[which] = (
            (correlation[which] >= MIN_CORRELATION)
            & (np.minimum(_detail(first), _detail(second)) >= _MIN_DETAIL)
            & (_largest_difference(a, b, noise) <= _MAX_DIFFERENCE)
        )
    return _Agreement(accepted, correlation)


def _detail(patches: Floats) -> Floats:
    """Standard deviation of patches (n, size, size) beyond polynomials of degree 3."""
    size = patches.shape[1]
    basis = np.linalg.qr(np.vander(np.linspace(-1, 1, size), 4, increasing=True))[0].astype(np.float32)
    spectrum = basis.T @ patches @ basis
    spectrum[:, np.add.outer(np.arange(4), np.arange(4)) > 3] = 0
    found: Floats = (patches - basis @ spectrum @ basis.T).std((1, 2))
    return found


def _largest_difference(a: Floats, b: Floats, noise: Floats) -> Floats:
    """The largest difference in a block, relative to its variance and to `noise`, (n,); patches are standardised."""
    one, other = _beyond_tone(a, b), _beyond_tone(b, a)
    # A tone curve that clips can be computed in one direction only.
    forward = (one**2).mean((1, 2)) <= (other**2).mean((1, 2))
    difference = _block_means(np.where(forward[:, None, None], one, other) ** 2)
    variance = np.maximum(*(_block_means(patch**2) - _block_means(patch) ** 2 for patch in (a, b)))
    found: Floats = (difference / (variance + (noise**2)[:, None, None])).max((1, 2))
    return found


def _beyond_tone(a: Floats, b: Floats) -> Floats:
    """What is left of `b` after a tone curve of `a`, a polynomial of degree 3."""
    x = a.reshape(len(a), a.shape[1] * a.shape[2])
    powers = np.stack([np.ones_like(x), x, x**2, x**3], axis=1)
    normal = powers @ powers.transpose(0, 2, 1) + np.eye(4, dtype=np.float32) * np.float32(1e-3 * x.shape[1])
    curve = np.linalg.solve(normal, powers @ b.reshape(*x.shape, 1))
    return b - (curve.transpose(0, 2, 1) @ powers).reshape(b.shape)


def _block_means(patches: Floats) -> Floats:
    size = patches.shape[1] // _BLOCKS
    found: Floats = patches.reshape(len(patches), _BLOCKS, size, _BLOCKS, size).mean((2, 4))
    return found
