"""The Huber loss (1964, Ann. Math. Stat. 35): squares of small errors, beyond `delta` their absolute values."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Standardised, TrainingScores, moments

_LEAST = 0.1
"""Below this share of the standard deviation a threshold is hardly one."""


@dataclass(frozen=True)
class Huber(Standardised):
    """`delta` is the threshold, in units of the score."""

    name: ClassVar[str] = "huber"
    delta: float

    @classmethod
    def of(cls, scores: TrainingScores) -> Self:
        """See `ScoreObjective`."""
        return cls(*moments(scores.y), scores.delta)

    def notes(self) -> tuple[str, ...]:
        """See `ScoreObjective`."""
        if self.delta > _LEAST * self.deviation:
            return ()
        return (
            f"The threshold of the Huber loss is {self.delta:g}, and the standard deviation of the scores "
            f"{self.deviation:.3g}: almost all errors count by their absolute values, and gradients are small by that ratio. "
            "A threshold of about the standard deviation learns faster.",
        )

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        return F.huber_loss(outputs[:, 0], self.standardised(y), delta=self.delta / self.deviation)


OBJECTIVE = Huber
