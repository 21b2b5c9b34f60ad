"""Sets of masks whose pictures come in blocks that are alike, as frames of a drive do, and whose true figures are known."""

import numpy as np

from dlcli.core.evaluation.mask_counts import MaskCounts
from dlcli.core.evaluation.mask_figures import class_masks, mask_metrics
from dlcli.specs.estimates import Estimate, PointEstimate

FIGURES = ("mIoU by block", "pixel accuracy by block", "IoU of a class by block")
_PIXELS, _CLASSES, _RIGHT = 500, 3, (0.9, 0.7, 0.6)
"""Pixels of a class in a picture that has it, and the share of them that is right, on average over blocks."""


def drawn(
    random: np.random.Generator, blocks: int, pictures: int, spread: float, there: float
) -> tuple[MaskCounts, np.ndarray]:
    """Counts of a set, and the block of each picture.

    Args:
        random: The source of the draws.
        blocks: Number of blocks.
        pictures: Pictures of a block.
        spread: How much blocks differ: the concentration of the beta distribution of the shares that are right.
        there: The probability that a block has the last class.
    """
    confusion = np.zeros((blocks * pictures, _CLASSES, _CLASSES), dtype=np.int64)
    group = np.repeat(np.arange(blocks), pictures)
    for k, share in enumerate(_RIGHT):
        has = np.ones(blocks) if k < _CLASSES - 1 else random.random(blocks) < there
        easy = random.beta(share * spread, (1 - share) * spread, blocks)
        pixels = (_PIXELS * has).astype(np.int64)[group]
        right = random.binomial(pixels, easy[group])
        confusion[:, k, k] += right
        confusion[:, k, (k + 1) % _CLASSES] += pixels - right
    return MaskCounts(confusion, np.zeros((len(group), _CLASSES, 4), dtype=np.int64)), group


def truths(there: float) -> tuple[float, float, float]:
    """The figures of a set of infinitely many blocks: its mIoU, its pixel accuracy, and the IoU of the last class."""
    pixels = np.array([1.0, 1.0, there])
    right = pixels * _RIGHT
    taken = right + np.roll(pixels - right, 1)
    ious = right / (pixels + taken - right)
    return float(ious.mean()), float(right.sum() / pixels.sum()), float(ious[-1])


def estimated(counts: MaskCounts, group: np.ndarray, figure: int) -> Estimate | PointEstimate | None:
    """One of `FIGURES` with its interval."""
    if figure == 2:
        return class_masks(counts, tuple("abc"), group, seed=0)[-1].iou
    named = {one.name: one.estimate for one in mask_metrics(counts, group, seed=0)}
    return named["miou" if figure == 0 else "pixel-accuracy"]
