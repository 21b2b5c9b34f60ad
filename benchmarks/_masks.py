"""Sets of masks whose pictures come in blocks that are alike, as frames of a drive do, and whose true figures are known."""

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr, ndtri

from dlcli.core.data.sequences_of_files import blocks_of
from dlcli.core.evaluation.mask_counts import MaskCounts
from dlcli.core.evaluation.mask_figures import class_masks, mask_metrics
from dlcli.specs.estimates import Estimate, PointEstimate

FIGURES = ("mIoU by block", "pixel accuracy by block", "IoU of a class by block")
_PIXELS, _CLASSES, _RIGHT = 500, 3, (0.9, 0.7, 0.6)
"""Pixels of a class in a picture that has it, and the share of them that is right, on average over blocks."""
_HARD = 0.1
"""The share of the variance of the probit of a pixel that its frame has in a drive."""


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
    group = np.repeat(np.arange(blocks), pictures)
    has, easy = [], []
    for k, share in enumerate(_RIGHT):
        has.append(np.ones(blocks) if k < _CLASSES - 1 else random.random(blocks) < there)
        easy.append(random.beta(share * spread, (1 - share) * spread, blocks))
    return _counted(random, np.array(has)[:, group], np.array(easy)[:, group]), group


def driven(random: np.random.Generator, frames: int, lasting: float) -> tuple[MaskCounts, np.ndarray]:
    """Counts of the frames of a drive, and the blocks into which their names are cut.

    Args:
        random: The source of the draws.
        frames: Number of frames.
        lasting: How long what makes frames hard lasts: frames after which the correlation is 1 / e (autoregressive).
    """
    stays = np.exp(-1 / lasting)
    steps = random.normal(size=(_CLASSES, frames)) * np.sqrt(1 - stays**2)
    steps[:, 0] = random.normal(size=_CLASSES)
    hard = lfilter([1.0], [1.0, -stays], steps, axis=1)
    easy = ndtr((ndtri(_RIGHT)[:, None] + hard * np.sqrt(_HARD)) / np.sqrt(1 - _HARD))
    blocks = blocks_of([f"frame_{k:05d}.png" for k in range(frames)], "test")
    group = np.unique(np.asarray(blocks, dtype=str), return_inverse=True)[1]
    return _counted(random, np.ones((_CLASSES, frames)), easy), group


def _counted(random: np.random.Generator, has: np.ndarray, easy: np.ndarray) -> MaskCounts:
    """The counts of pictures (classes, n): whether they have a class, and how probably a pixel of it is right."""
    n = easy.shape[1]
    confusion = np.zeros((n, _CLASSES, _CLASSES), dtype=np.int64)
    for k in range(_CLASSES):
        pixels = (_PIXELS * has[k]).astype(np.int64)
        right = random.binomial(pixels, easy[k])
        confusion[:, k, k] += right
        confusion[:, k, (k + 1) % _CLASSES] += pixels - right
    return MaskCounts(confusion, np.zeros((n, _CLASSES, 4), dtype=np.int64))


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
