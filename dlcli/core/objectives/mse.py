"""The mean squared error."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Standardised


class MeanSquaredError(Standardised):
    """See the module."""

    name: ClassVar[str] = "mse"

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        return F.mse_loss(outputs[:, 0], self.standardised(y))


OBJECTIVE = MeanSquaredError
