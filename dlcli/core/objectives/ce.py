"""Cross-entropy over the integer levels of a scale; the score is the mean of the predicted distribution."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Levels


class LevelCrossEntropy(Levels):
    """See the module. It does not know that levels next to each other are alike."""

    name: ClassVar[str] = "ce"

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        return F.cross_entropy(outputs, self.level(y))


OBJECTIVE = LevelCrossEntropy
