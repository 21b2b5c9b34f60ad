"""The earth mover's distance between predicted and true distribution over the levels (Talebi and Milanfar 2018, NIMA, eq. 1).

With one score an example the true distribution is all at its level; nothing is made up around it. With several raters who gave
integers it is that of their votes.
"""

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Floats, Levels, TrainingScores

_LEAST = 1e-12
"""Added below the root, whose derivative at 0 is infinite."""


class EarthMover(Levels):
    """The root of the mean squared difference of the cumulative distributions (r = 2), averaged over the batch."""

    name: ClassVar[str] = "emd"

    @classmethod
    def of(cls, scores: TrainingScores) -> Self:
        """See `ScoreObjective`; means of integer ratings may be fractions."""
        votes = _integers(scores.ratings)
        return super().of(scores if votes is None else replace(scores, y=votes[np.isfinite(votes)]))

    def targets(self, y: Tensor, ratings: Floats | None) -> Tensor:
        """The distributions of the votes, (n, levels); the scores (n,) where there are no integer ratings."""
        votes = _integers(ratings)
        if votes is None:
            return y
        levels = np.arange(self.low, self.high + 1)
        counts = (np.clip(votes, self.low, self.high)[:, :, None] == levels).sum(1)  # NaN is no level
        return torch.from_numpy(counts / counts.sum(1, keepdims=True)).float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`; `y` is what `targets` gives."""
        true = y if y.dim() == 2 else F.one_hot(self.level(y), outputs.shape[1])
        gaps = (outputs.softmax(1) - true.to(outputs.dtype)).cumsum(1)
        return ((gaps**2).mean(1) + _LEAST).sqrt().mean()


def _integers(ratings: Floats | None) -> Floats | None:
    """The ratings if all that were given are integers; else None."""
    given = None if ratings is None else ratings[np.isfinite(ratings)]
    return ratings if given is not None and (given == np.round(given)).all() else None


OBJECTIVE = EarthMover
