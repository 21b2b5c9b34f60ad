"""The earth mover's distance between predicted and true distribution over the levels (Talebi and Milanfar 2018, NIMA, eq. 1).

With one score an example the true distribution is all at its level; nothing is made up around it. With several raters who gave
integers, or counts of votes, it is that of the votes.
"""

from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Levels, TrainingScores, Votes

_LEAST = 1e-12
"""Added below the root, whose derivative at 0 is infinite."""


class EarthMover(Levels):
    """The root of the mean squared difference of the cumulative distributions (r = 2), averaged over the batch."""

    name: ClassVar[str] = "emd"

    @classmethod
    def of(cls, scores: TrainingScores) -> Self:
        """See `ScoreObjective`; means of votes may be fractions."""
        if scores.votes is None:
            return super().of(scores)
        return cls(scores.votes.low, scores.votes.low + scores.votes.shares.shape[1] - 1)

    def targets(self, y: Tensor, votes: Votes | None) -> Tensor:
        """The distributions of the votes, (n, levels); the scores (n,) where these are not known."""
        return y if votes is None else torch.from_numpy(votes.at(self.low, self.high)).float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`; `y` is what `targets` gives."""
        true = y if y.dim() == 2 else F.one_hot(self.level(y), outputs.shape[1])
        gaps = (outputs.softmax(1) - true.to(outputs.dtype)).cumsum(1)
        return ((gaps**2).mean(1) + _LEAST).sqrt().mean()


OBJECTIVE = EarthMover
