"""RankNet (Burges et al. 2005, ICML): of each two pictures of a batch the one with the higher score should get more.

Only the order of scores is learned. A line fitted to the training examples then brings the output to their scale.
"""

from dataclasses import replace
from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Standardised


class Ranking(Standardised):
    """The mean of log(1 + exp(-(s_i - s_j))) over the pairs of a batch with y_i > y_j; 0 if all scores are equal."""

    name: ClassVar[str] = "ranking"
    joint: ClassVar[bool] = True

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """See `Objective`."""
        gaps = outputs[:, 0, None] - outputs[None, :, 0]
        above = (y[:, None] > y[None, :]).to(gaps.dtype)
        # Multiplied rather than selected: a batch without pairs has loss 0 and a gradient, and the device is not waited for.
        return (F.softplus(-gaps) * above).sum() / above.sum().clamp(min=1)

    def calibrated(self, outputs: Tensor, y: Tensor) -> Self:
        """See `ScoreObjective`: least squares; outputs that do not vary stand for the mean."""
        x, scores = outputs[:, 0].double(), y.double()
        centred = x - x.mean()
        spread = float(centred @ centred)
        slope = float(centred @ (scores - scores.mean())) / spread if spread > 0 else 0.0
        return replace(self, mean=float(scores.mean() - slope * x.mean()), deviation=slope)


OBJECTIVE = Ranking
