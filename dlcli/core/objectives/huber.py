"""The Huber loss (1964, Ann. Math. Stat. 35): squares of small errors, beyond `delta` their absolute values."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Standardised, TrainingScores, moments


@dataclass(frozen=True)
class Huber(Standardised):
    """`delta` is the threshold, in units of the score."""

    name: ClassVar[str] = "huber"
    delta: float

    @classmethod
    def of(cls, scores: TrainingScores) -> Self:
        """See `ScoreObjective`."""
        return cls(*moments(scores.y), scores.delta)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        return F.huber_loss(outputs[:, 0], self.standardised(y), delta=self.delta / self.deviation)


OBJECTIVE = Huber
