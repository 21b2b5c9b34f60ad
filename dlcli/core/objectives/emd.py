"""The earth mover's distance between predicted and true distribution over the levels (Talebi and Milanfar 2018, NIMA, eq. 1).

With one score an example the true distribution is all at its level; nothing is made up around it.
"""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Levels

_LEAST = 1e-12
"""Added below the root, whose derivative at 0 is infinite."""


class EarthMover(Levels):
    """The root of the mean squared difference of the cumulative distributions (r = 2), averaged over the batch."""

    name: ClassVar[str] = "emd"

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        true = F.one_hot(self.level(y), outputs.shape[1]).to(outputs.dtype)
        gaps = (outputs.softmax(1) - true).cumsum(1)
        return ((gaps**2).mean(1) + _LEAST).sqrt().mean()


OBJECTIVE = EarthMover
