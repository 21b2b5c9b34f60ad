"""The mean absolute error."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Standardised


class MeanAbsoluteError(Standardised):
    """See the module."""

    name: ClassVar[str] = "mae"

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        return F.l1_loss(outputs[:, 0], self.standardised(y))


OBJECTIVE = MeanAbsoluteError
