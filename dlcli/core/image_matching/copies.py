"""All pairs of copies among images: those with equal pixels, and near duplicates."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dlcli.core.image_matching.alignments import Alignments, Numbers, join_alignments
from dlcli.core.image_matching.confirmation import confirm, has_detail
from dlcli.core.image_matching.reading import ReadImage, pixel_hash
from dlcli.core.image_matching.shared_keypoints import shared_keypoint_pairs
from dlcli.core.image_matching.whole_images import whole_image_pairs
from dlcli.support.reporter import Reporter

_DIGITS = 4
"""Decimals of a correlation: further ones differ between machines and numbers of threads, and must not change a group."""
_NEARLY_EQUAL = 0.998
"""Correlation from which on the pixels of images of equal size are compared."""


@dataclass(frozen=True)
class Copies:
    """Pairs of copies, each once, sorted by their images.

    Attributes:
        pairs: The pairs; of images with equal pixels the alignment is that of equal images.
        score: Correlation of what both show, (pairs,); 1 if the pixels are equal.
        equal_pixels: Whether all pixels are equal, (pairs,).
        candidates: Number of candidate pairs that were compared.
    """

    pairs: Alignments
    score: NDArray[np.float64]
    equal_pixels: NDArray[np.bool_]
    candidates: int


def find_copies(images: Sequence[ReadImage], paths: Sequence[Path], report: Reporter) -> Copies:
    """Find all pairs of copies.

    Args:
        images: Images with different bytes. Which one of a pair is the first affects rounding only; sort them by something
            that does not depend on their names.
        paths: Their files, of which some are read again to compare all pixels.
        report: Shows progress.

    Returns:
        The pairs.
    """
    grey = np.stack([image.grey for image in images]) if images else np.empty((0, 1, 1), np.uint8)
    sizes = np.array([(image.width, image.height) for image in images], np.int64).reshape(-1, 2)
    # In one thread: for matrices this small, several take ten times as long, and sums over several depend on their number.
    with threadpool_limits(limits=1):
        with report.task("hashing, images", total=len(images)) as task:
            candidates = join_alignments([whole_image_pairs(grey), shared_keypoint_pairs(grey, sizes, task)])
        with report.task("comparing, pairs") as task:
            near = confirm(grey, sizes, candidates, task)
    equal = _equal_pixels(sizes, near.pairs, near.score, ~has_detail(grey), paths)
    known = set(zip(near.pairs.first.tolist(), near.pairs.second.tolist(), strict=True))
    plain = _same_alignments([pair for pair in sorted(equal) if pair not in known])
    pairs = join_alignments([near.pairs, plain])
    score = np.append(near.score.astype(np.float64).round(_DIGITS), np.ones(len(plain)))
    is_equal = np.array([pair in equal for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)], bool)
    score[is_equal] = 1
    order = np.lexsort((pairs.second, pairs.first))
    return Copies(pairs.take(order), score[order], is_equal[order], len(candidates))


def _equal_pixels(
    sizes: Numbers, near: Alignments, score: NDArray[np.floating], plain: NDArray[np.bool_], paths: Sequence[Path]
) -> set[tuple[int, int]]:
    """Pairs of images with equal pixels, among near duplicates of equal size and among images without detail."""
    same_size = (sizes[near.first] == sizes[near.second]).all(1) & (score >= _NEARLY_EQUAL) & ~near.mirror
    hashes = _PixelHashes(paths)
    found = set()
    for a, b in zip(near.first[same_size].tolist(), near.second[same_size].tolist(), strict=True):
        if hashes[a] == hashes[b]:
            found.add((a, b))
    by_size = defaultdict(list)
    for k in np.flatnonzero(plain).tolist():
        by_size[tuple(sizes[k])].append(k)
    for alike in by_size.values():
        found |= {(a, b) for a, b in combinations(alike, 2) if hashes[a] == hashes[b]}
    return found


class _PixelHashes(dict[int, str]):
    """Pixel hashes of files, each computed when it is first asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._paths = paths

    def __missing__(self, k: int) -> str:
        self[k] = pixel_hash(self._paths[k])
        return self[k]


def _same_alignments(pairs: Iterable[tuple[int, int]]) -> Alignments:
    first, second = np.array(list(pairs), np.int64).reshape(-1, 2).T
    one, zero = np.ones(len(first), np.float32), np.zeros(len(first), np.float32)
    return Alignments(first, second, np.zeros(len(first), bool), one, zero, one, zero)
