"""Dice loss of masks: how much predicted and true areas of a class fail to overlap, whatever the size of the class."""

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import MaskObjective

_SMOOTH = 1.0
"""Pixels that are added to both areas, so that the loss of an area of none is defined."""


class Dice(MaskObjective):
    """1 less the mean soft Dice coefficient of the classes in a batch (Milletari et al. 2016, arXiv 1606.04797, section 3).

    A class that no pixel of the batch has does not count. With class weights the mean is weighted by these.
    """

    name = "dice"
    joint = True

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        k = len(self.classes)
        counts = (y < k)[:, None]
        p = outputs.softmax(1)[:, :k] * counts
        truth = F.one_hot(y.clamp(max=k - 1).long(), k).movedim(-1, 1) * counts
        both, areas = (p * truth).sum((0, 2, 3)), p.sum((0, 2, 3)) + truth.sum((0, 2, 3))
        coefficient = (2 * both + _SMOOTH) / (areas + _SMOOTH)
        there = (truth.sum((0, 2, 3)) > 0).float()
        weights = there if self.class_weights is None else there * self.class_weights.to(outputs)
        return ((1 - coefficient) * weights).sum() / weights.sum().clamp(min=1e-12)


OBJECTIVE = MASK_OBJECTIVE = Dice
