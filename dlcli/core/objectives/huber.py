"""The Huber loss (1964, Ann. Math. Stat. 35): squares of small errors, beyond `delta` their absolute values."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import MOST_LEVELS, Floats, Standardised, TrainingScores, moments
from dlcli.specs.scores import DEFAULT_DELTA

_LEAST = 0.1
"""Below this share of the standard deviation a threshold is hardly one."""


def default_delta(y: Floats) -> float:
    """The threshold for scores (n,) if none is given: a step of the scale, or the standard deviation of one without steps.

    Of integers on a scale of a few levels a step is 1. Other scores, such as prices, have no step: where 1 is below a tenth of
    their standard deviation, this is taken.
    """
    deviation = moments(y)[1]
    steps = bool((y == y.round()).all()) and y.max() - y.min() < MOST_LEVELS
    return DEFAULT_DELTA if steps or DEFAULT_DELTA > _LEAST * deviation else deviation


@dataclass(frozen=True)
class Huber(Standardised):
    """`delta` is the threshold, in units of the score."""

    name: ClassVar[str] = "huber"
    delta: float

    @classmethod
    def of(cls, scores: TrainingScores) -> Self:
        """See `ScoreObjective`."""
        return cls(*moments(scores.y), default_delta(scores.y) if scores.delta is None else scores.delta)

    def notes(self) -> tuple[str, ...]:
        """See `ScoreObjective`."""
        if self.delta == self.deviation and self.delta > DEFAULT_DELTA / _LEAST:
            return (f"The threshold of the Huber loss is the standard deviation of the scores, {self.delta:.4g}.",)
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
