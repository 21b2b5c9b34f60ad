"""CORN (Shi, Cao and Raschka 2023, Pattern Anal. Appl. 26): P(y > level), each given that y is above the level before.

The sum over conditional tasks is divided by the number of examples in all of them, as the authors' code does; the paper's
equation divides by that of the classes, which is another scale of the loss.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Levels


class Corn(Levels):
    """See the module. The score is the mean that the probabilities give: the lowest level and P(y > level) for each other."""

    name: ClassVar[str] = "corn"

    @property
    def outputs(self) -> tuple[str, ...]:
        """See `ScoreObjective`."""
        return tuple(f"above {level}" for level in range(self.low, self.high))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        level = self.level(y)[:, None]
        task = torch.arange(outputs.shape[1], device=outputs.device)
        asked = (level >= task).to(outputs.dtype)  # y is above the level before this one
        each = F.binary_cross_entropy_with_logits(outputs, (level > task).to(outputs.dtype), reduction="none")
        return (each * asked).sum() / asked.sum()

    def value(self, outputs: Tensor) -> Tensor:
        """See `ScoreObjective`."""
        return self.low + outputs.sigmoid().cumprod(1).sum(1)


OBJECTIVE = Corn
