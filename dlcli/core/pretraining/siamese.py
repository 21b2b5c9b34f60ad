"""`siamese`: features of two pictures of one level should be close, of two levels at least a margin apart.

Half of the pairs are of one level, which is drawn uniformly, as are its pictures; the other half are of two levels. The loss is
the hinge embedding loss: E for pairs of one level, max(0, margin - E) for others, of the distance E of their features. The
essay on selfies (2016) names the L1 distance, its public code takes the L2 distance and the margin 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.level_index import LevelIndex, level_index
from dlcli.core.objectives.base import Objective
from dlcli.core.pretraining.base import Pretraining, PretrainingSettings

_LEAST = 1e-12
"""Added below the root, whose derivative at 0 is infinite."""


@dataclass(frozen=True)
class HingeEmbedding(Objective):
    """See the module."""

    joint: ClassVar[bool] = True
    distance: str
    margin: float

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean over pairs, which are the features (n, d) with even and with odd numbers and their levels (n,)."""
        pairs = len(y) // 2
        first, second = outputs[: 2 * pairs : 2], outputs[1 : 2 * pairs : 2]
        same = y[: 2 * pairs : 2] == y[1 : 2 * pairs : 2]
        gap = first - second
        apart = gap.abs().sum(1) if self.distance == "l1" else (gap.pow(2).sum(1) + _LEAST).sqrt()
        return torch.where(same, apart, (self.margin - apart).clamp(min=0)).mean()


@dataclass(frozen=True)
class PairDraw:
    """Draws pairs of examples, about as many as there are examples for two each."""

    examples: LevelIndex

    def __call__(self, source: torch.Generator) -> Tensor:
        """The examples of an epoch, two after the other a pair."""
        found, levels = self.examples, len(self.examples.counts)
        n = max(1, len(found.order) // 2)
        one = torch.randint(levels, (n,), generator=source)
        place = found.draw(one, source)
        other = (one + 1 + torch.randint(max(1, levels - 1), (n,), generator=source)) % levels
        of_one, of_other = found.at(one, found.draw_another(one, place, source)), found.at(other, found.draw(other, source))
        second = torch.where(torch.arange(n) % 2 == 0, of_one, of_other)
        return torch.stack([found.at(one, place), second], 1).flatten()


def pair_draw(levels: NDArray[np.int64]) -> PairDraw:
    """The draw of pairs of examples with these levels (n,)."""
    return PairDraw(level_index(levels))


def pretraining(settings: PretrainingSettings) -> Pretraining:
    """Siamese pre-training with this distance and margin."""
    shown = f"distance {settings.distance}, margin {settings.margin:g}"
    return Pretraining(HingeEmbedding(settings.distance, settings.margin), shown, pair_draw, 2)
