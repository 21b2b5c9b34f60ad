"""Candidate pairs by keypoints that agree on how one image lies on the other: cropped and extended copies."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dlcli.core.image_matching.alignments import Alignments, Numbers, join_alignments, no_alignments
from dlcli.core.image_matching.keypoints import FLIPS, SCALES, Keypoints, find_keypoints, mirrored
from dlcli.core.image_matching.resampling import Floats
from dlcli.support.reporter import Task

_BLOCK = 512
"""Images that are looked up at once."""
_CROWDED = 256
"""Codes that more keypoints than this share are not looked up, for they say little."""
_VOTES = 3
"""Fewest keypoints that agree."""
_LOOSE_FLIPS, _LOOSE_VOTES = 6, 2
"""Unsure bits of a code, and fewest keypoints that agree, of images of which compression changes most keypoints."""
_BIN = 8.0
"""Shifts that agree differ by less than this, in pixels of the canvas."""
_BINS = 128
"""More than there are, of shifts as long as the largest canvas."""


@dataclass(frozen=True)
class _Index:
    """The keypoints of all images at the first scale, sorted by code: the image and place of each.

    Of the different codes, `low` and `counts` have the first keypoint and the number of keypoints.
    """

    codes: NDArray[np.int32]
    low: NDArray[np.intp]
    counts: NDArray[np.intp]
    image: Numbers
    x: Floats
    y: Floats
    canvas: Floats
    """Width and height of the canvas of each image, (n, 2)."""


@dataclass(frozen=True)
class _Query:
    """Keypoints of some images at one scale: the codes to look up, (k, variants), and the image, place and canvas width."""

    codes: NDArray[np.int32]
    image: Numbers
    x: Floats
    y: Floats
    width: Floats


@dataclass(frozen=True)
class _Votes:
    """Shifts of a keypoint of image `query` from a keypoint of image `found` with the same code, in pixels."""

    query: Numbers
    found: Numbers
    across: Floats
    along: Floats

    def take(self, which: NDArray[np.bool_]) -> "_Votes":
        return _Votes(*(values[which] for values in vars(self).values()))


def shared_keypoint_pairs(
    grey: NDArray[np.uint8], sizes: NDArray[np.integer], task: Task, *, loose: bool = False
) -> Alignments:
    """Find pairs of images that share keypoints in the same arrangement.

    Args:
        grey: Grey copies of the images, (n, side, side).
        sizes: Widths and heights of the images, (n, 2).
        task: Counts the images.
        loose: Whether fewer keypoints have to agree, and in fewer bits, which finds many times as many pairs.

    Returns:
        The pairs, with the alignment that most keypoints agree on; a pair may occur once per scale and side.
    """
    found, (flips, least) = [], (_LOOSE_FLIPS, _LOOSE_VOTES) if loose else (FLIPS, _VOTES)
    for image, (width, height) in zip(grey, sizes.tolist(), strict=True):
        pixels = image.astype(np.float32)
        found.append([find_keypoints(pixels, width, height, scale, flips) for scale in SCALES])
        task.advance()
    if not found:
        return no_alignments()
    index = _make_index([scales[0] for scales in found])
    parts = []
    for start, level in product(range(0, len(found), _BLOCK), range(len(SCALES))):
        points = [scales[level] for scales in found[start : start + _BLOCK]]
        for mirror in (False, True):
            votes = _votes(index, _make_query(points, start, mirror), least)
            parts.append(_alignments(_best(votes, len(found), least), index, SCALES[level], mirror))
    return join_alignments(parts)


def _make_index(points: list[Keypoints]) -> _Index:
    codes, image = np.concatenate([one.codes for one in points]), _images(points, 0)
    x, y = np.concatenate([one.x for one in points]), np.concatenate([one.y for one in points])
    order = np.argsort(codes, kind="stable")
    canvas = np.array([(one.width, one.height) for one in points], np.float32)
    different, counts = np.unique(codes, return_counts=True)
    low = np.cumsum(counts) - counts
    return _Index(different, low, np.where(counts > _CROWDED, 0, counts), image[order], x[order], y[order], canvas)


def _make_query(points: list[Keypoints], start: int, mirror: bool) -> _Query:
    codes, image = np.concatenate([one.unsure for one in points]), _images(points, start)
    x, y = np.concatenate([one.x for one in points]), np.concatenate([one.y for one in points])
    width = np.array([one.width for one in points], np.float32)[image - start]
    return _Query(mirrored(codes), image, width - x, y, width) if mirror else _Query(codes, image, x, y, width)


def _images(points: list[Keypoints], start: int) -> Numbers:
    return np.repeat(np.arange(start, start + len(points)), [len(one.codes) for one in points])


def _votes(index: _Index, query: _Query, least: int) -> _Votes:
    """Match the keypoints, keeping pairs of images with enough matches."""
    order = np.argsort(query.codes, axis=None)  # in order they are looked up in a fraction of the time
    codes = query.codes.ravel()[order]
    place = np.searchsorted(index.codes, codes).clip(max=max(len(index.codes) - 1, 0))
    same = index.codes[place] == codes if len(index.codes) else np.empty(0, bool)
    known, place = order[same], place[same]
    low, counts = index.low[place], index.counts[place]
    point = np.repeat(known // query.codes.shape[1], counts)
    entry = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - low, counts)
    asked, found = query.image[point], index.image[entry]
    pair = asked * len(index.canvas) + found
    kept = np.flatnonzero(np.isin(pair, _frequent(pair[asked != found], least)))
    point, entry = point[kept], entry[kept]
    return _Votes(asked[kept], found[kept], query.x[point] - index.x[entry], query.y[point] - index.y[entry])


def _frequent(values: Numbers, least: int) -> Numbers:
    """The values that occur at least `least` times."""
    ordered = np.sort(values)
    ends = ordered[least - 1 :]
    return np.unique(ends[ends == ordered[: len(ends)]])


def _best(votes: _Votes, images: int, least: int) -> _Votes:
    """For each pair of images the mean of the shifts that most keypoints agree on, if they are at least `least`.

    Shifts agree if they fall into the same bin; the bins overlap by half, so that none is cut by a border.
    """
    rows, pair = [], votes.query * images + votes.found
    for dx, dy in product((0.0, 0.5), repeat=2):
        bins = (pair * _BINS + _bin(votes.across, dx)) * _BINS + _bin(votes.along, dy)
        groups, place, counts = np.unique(bins, return_inverse=True, return_counts=True)
        means = [np.bincount(place, shift, len(groups)) / counts for shift in (votes.across, votes.along)]
        enough = counts >= least
        rows.append(np.column_stack([groups // _BINS**2, counts, *means])[enough])
    table = np.concatenate(rows)
    table = table[np.lexsort((table[:, 3], table[:, 2], -table[:, 1], table[:, 0]))]
    table = table[np.unique(table[:, 0], return_index=True)[1]]
    pair, _, across, along = table.T
    query, found = np.divmod(pair.astype(np.int64), images)
    return _Votes(query, found, across.astype(np.float32), along.astype(np.float32))


def _bin(shift: Floats, offset: float) -> Numbers:
    """The bin of each shift, a number from 0 to `_BINS`."""
    return np.asarray(np.floor(shift / _BIN + offset), np.int64) + _BINS // 2


def _alignments(votes: _Votes, index: _Index, scale: float, mirror: bool) -> Alignments:
    """Alignments of the image with the lower number, upright, with the other one."""
    # First where the (mirrored) image that was looked up lies on the one that was found: u_found = s * u_query + t.
    size = np.round(index.canvas[votes.query] * np.float32(scale))
    s = size / index.canvas[votes.found]
    t = -np.stack([votes.across, votes.along], axis=1) / index.canvas[votes.found]
    swap = (votes.query > votes.found)[:, None]
    # Solved for the place on the image that was looked up, which is then the first one; `Alignments` mirrors the second one.
    back = -t / s
    if mirror:  # where the second one was found, mirroring it instead turns both sides of the equation round
        t[:, 0] = 1 - s[:, 0] - t[:, 0]
    s, t = np.where(swap, 1 / s, s), np.where(swap, back, t)
    first, second = np.minimum(votes.query, votes.found), np.maximum(votes.query, votes.found)
    columns = (part.astype(np.float32) for part in (s[:, 0], t[:, 0], s[:, 1], t[:, 1]))
    return Alignments(first, second, np.full(len(first), mirror), *columns)
