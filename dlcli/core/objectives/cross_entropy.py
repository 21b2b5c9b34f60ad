"""Cross-entropy, the loss of classes: weighted by class, with smoothed labels, or of labels that are shares of classes."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import MaskObjective, Objective


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Of logits (n, classes) with whole numbers (n,), or with shares of classes (n, classes).

    Attributes:
        class_weights: Weigh the classes, (classes,); None: all alike.
        label_smoothing: In [0, 1) (Szegedy et al. 2016).
    """

    class_weights: Tensor | None = None
    label_smoothing: float = 0.0

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        weights, smoothing = self.output_weights(outputs.shape[1]), self.label_smoothing
        if not y.is_floating_point():
            return F.cross_entropy(outputs, y, weight=weights, label_smoothing=smoothing)
        # Shares of classes, of which a network may have more outputs than there are; torch would divide by their number, not
        # by their weight.
        shares = F.pad(y, (0, outputs.shape[1] - y.shape[1]))
        return F.cross_entropy(outputs, shares, weight=weights, label_smoothing=smoothing, reduction="sum") / self.weight(y)

    def output_weights(self, outputs: int) -> Tensor | None:
        """The class weights, and 1 for every output that stands for no class, as without weights."""
        weights = self.class_weights
        return None if weights is None else F.pad(weights, (0, outputs - len(weights)), value=1.0)

    def weight(self, y: Tensor) -> Tensor | int:
        """See `Objective`."""
        if self.class_weights is None:
            return len(y)
        return (y @ self.class_weights).sum() if y.is_floating_point() else self.class_weights[y].sum(0)


class PixelCrossEntropy(MaskObjective):
    """Of each pixel: the mean over the pixels that have a class, weighted by class."""

    name = "cross-entropy"

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        labels = y.long().masked_fill(y >= len(self.classes), -100)
        weights = None if self.class_weights is None else self.class_weights.to(outputs)
        total = F.cross_entropy(outputs, labels, weight=weights, reduction="sum")
        return total / self.weight(y).clamp(min=1e-12 if self.class_weights is not None else 1)


OBJECTIVE = CrossEntropy
MASK_OBJECTIVE = PixelCrossEntropy
