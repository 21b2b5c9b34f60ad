"""The sum of cross-entropy and Dice loss of masks: every pixel counts, and so does every class."""

from torch import Tensor

from dlcli.core.objectives.base import MaskObjective
from dlcli.core.objectives.cross_entropy import PixelCrossEntropy
from dlcli.core.objectives.dice import Dice


class CrossEntropyAndDice(MaskObjective):
    """See the module."""

    name = "both"
    joint = True

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        parts = (kind(self.classes, self.class_weights) for kind in (PixelCrossEntropy, Dice))
        first, second = (part.loss(outputs, y) for part in parts)
        return first + second


OBJECTIVE = MASK_OBJECTIVE = CrossEntropyAndDice
