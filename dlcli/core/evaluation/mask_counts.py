"""Counts of pixels by picture, of which all figures of masks are made: confusion, and how close boundaries are."""

from dataclasses import dataclass
from math import floor, hypot

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d, one_hot, pad

Counts = NDArray[np.int64]

_TOLERANCE = 0.0075
"""How far apart boundaries may be, as a share of the diagonal (Csurka et al. 2013, BMVC, section 2.2)."""
_EDGES = 4


@dataclass(frozen=True)
class MaskCounts:
    """Counts of n pictures.

    Attributes:
        confusion: Pixels by true and predicted class, (n, k, k).
        edges: By class, (n, k, 4): predicted boundary pixels near a true one, all predicted ones, true boundary pixels near a
            predicted one, all true ones.
    """

    confusion: Counts
    edges: Counts

    def packed(self) -> Counts:
        """Both in one array, (n, k, k + 4)."""
        return np.concatenate([self.confusion, self.edges], 2)

    @staticmethod
    def unpacked(found: Counts) -> "MaskCounts":
        """What `packed` gave."""
        return MaskCounts(found[..., :-_EDGES], found[..., -_EDGES:])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.confusion.shape[1])

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "MaskCounts":
        """Those of some pictures."""
        return MaskCounts(self.confusion[which], self.edges[which])

    def summed(self, group: NDArray[np.int64] | None) -> "MaskCounts":
        """The sums by group, (n,) from 0 on; the pictures themselves without groups."""
        if group is None:
            return self
        sums = [np.zeros((int(group.max()) + 1, *part.shape[1:]), dtype=np.int64) for part in (self.confusion, self.edges)]
        for total, part in zip(sums, (self.confusion, self.edges), strict=True):
            np.add.at(total, group, part)
        return MaskCounts(*sums)


def confusion_of(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> Counts:
    """Pixels by true and predicted class, (classes, classes), of those whose true label is a class.

    Args:
        predicted: Predicted labels, of any shape.
        truth: True ones, of the same shape.
        classes: Number of classes.
    """
    counted = truth < classes
    pairs = truth[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def edge_counts(predicted: Tensor, truth: Tensor, classes: int) -> Counts:
    """How many boundary pixels of each class lie near one of the other mask, (classes, 4), see `MaskCounts.edges`.

    A pixel is at the boundary of its class if the pixel to its right or below has another one, or the other way round; pixels
    without a true class do not count. Near is within 0.75% of the diagonal, and at least 1 pixel.

    Args:
        predicted: Predicted labels, (h, w).
        truth: True ones, (h, w).
        classes: Number of classes.
    """
    counted = truth < classes
    radius = max(1.0, _TOLERANCE * hypot(*truth.shape))
    ours, theirs = (_boundaries(labels.clamp(max=classes), counted, classes) for labels in (predicted, truth))
    near_theirs, near_ours = (_grown(edges, radius) for edges in (theirs, ours))
    found = [(ours & near_theirs), ours, (theirs & near_ours), theirs]
    return torch.stack([part.sum((1, 2)) for part in found], 1).numpy().astype(np.int64)


def _boundaries(labels: Tensor, counted: Tensor, classes: int) -> Tensor:
    """Boundary pixels by class, (classes, h, w) bool."""
    edge = torch.zeros_like(counted)
    differs = (labels[1:] != labels[:-1]) & counted[1:] & counted[:-1]
    edge[1:] |= differs
    edge[:-1] |= differs
    differs = (labels[:, 1:] != labels[:, :-1]) & counted[:, 1:] & counted[:, :-1]
    edge[:, 1:] |= differs
    edge[:, :-1] |= differs
    return (one_hot(labels.long(), classes + 1).movedim(-1, 0)[:classes] > 0) & edge


def _grown(edges: Tensor, radius: float) -> Tensor:
    """Pixels (k, h, w) whose distance to a pixel of `edges` is at most `radius`."""
    reach, height = floor(radius), edges.shape[1]
    given = edges.float()[None]
    found = torch.zeros_like(given)
    for step in range(reach + 1):
        side = floor((radius**2 - step**2) ** 0.5)
        row = max_pool2d(given, (1, 2 * side + 1), 1, (0, side)) if side else given
        found = torch.maximum(found, pad(row, (0, 0, step, 0))[:, :, :height])
        found = torch.maximum(found, pad(row, (0, 0, 0, step))[:, :, step:])
    return found[0] > 0
