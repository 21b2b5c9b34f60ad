"""Near duplicates between two sets of images in memory: equal pixels, and copies that are compressed, mirrored or cropped."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.image_matching.alignments import Alignments, join_alignments
from dlcli.core.image_matching.confirmation import FEW, confirm
from dlcli.core.image_matching.shared_keypoints import shared_keypoint_pairs
from dlcli.core.image_matching.twins import grey_copies
from dlcli.core.image_matching.whole_images import image_hashes, pairs_between
from dlcli.support.reporter import SILENT, Reporter

SMALL = 28
"""Below this height or width only equal pixels count, also mirrored: too few are left to align crops by."""
_LOOK_ALIKES = 4
"""Candidates beyond the first of each image, for an image, from which on look-alikes are common."""


class NearDuplicates(NamedTuple):
    """For each image of the first set that has a near duplicate in the second, its index and that of the nearest one."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]


def duplicates_between(x: Tensor, others: Tensor, report: Reporter = SILENT) -> NearDuplicates:
    """Find the images of a set that have a near duplicate in another.

    Args:
        x: Images (n, c, h, w), floats in [0, 1] or bytes.
        others: Images (m, c, h, w) of the same shape.
        report: Shows progress.

    Returns:
        The pairs, by ascending index.
    """
    found = _equal(x, others)
    height, width = x.shape[-2:]
    if len(x) and len(others) and min(height, width) >= SMALL:
        for first, second in _near(x, others, report).items():
            found.setdefault(first, second)
    order = sorted(found)
    return NearDuplicates(np.array(order, dtype=np.int64), np.array([found[k] for k in order], dtype=np.int64))


def _equal(x: Tensor, others: Tensor) -> dict[int, int]:
    """By the index of each image with a duplicate, that of one with equal pixels or, without one, of one that is mirrored."""
    seen: dict[bytes, int] = {}
    for k, image in enumerate(others):
        seen.setdefault(_bytes(image), k)
    found = {}
    for k, image in enumerate(x):
        same = seen.get(_bytes(image), seen.get(_bytes(image.flip(-1))))
        if same is not None:
            found[k] = same
    return found


def _bytes(image: Tensor) -> bytes:
    return to_float(image[None]).contiguous().numpy().tobytes()


def _near(x: Tensor, others: Tensor, report: Reporter) -> dict[int, int]:
    """The nearest duplicate of each image that has one."""
    height, width = x.shape[-2:]
    grey, beside = grey_copies(x), grey_copies(others)
    both, n = np.concatenate([grey, beside]), len(grey)
    sizes = np.tile(np.array([width, height], np.int64), (len(both), 1))
    with threadpool_limits(limits=1):
        candidates = pairs_between(image_hashes(grey), image_hashes(beside))
        with report.task("looking for copies, images", total=len(both)) as task:
            shared = shared_keypoint_pairs(both, sizes, task)
        if min(height, width) < FEW and _few_look_alikes(shared, len(both)):
            with report.task("looking for compressed crops, images", total=len(both)) as task:
                shared = join_alignments([shared, shared_keypoint_pairs(both, sizes, task, loose=True)])
        candidates = join_alignments([candidates, shared.take((shared.first < n) != (shared.second < n))])
        with report.task("comparing, pairs") as task:
            near = confirm(both, sizes, candidates, task)
    found: dict[int, tuple[float, int]] = {}
    for a, b, score in zip(near.pairs.first.tolist(), near.pairs.second.tolist(), near.score.tolist(), strict=True):
        first, second = min(a, b), max(a, b) - n
        if first not in found or score > found[first][0]:
            found[first] = (score, second)
    return {first: second for first, (_, second) in found.items()}


def _few_look_alikes(pairs: Alignments, images: int) -> bool:
    """Whether hardly more pairs share keypoints than there can be copies."""
    different = int(np.unique(np.stack([pairs.first, pairs.second]), axis=1).shape[1])
    return different <= (1 + _LOOK_ALIKES) * images
