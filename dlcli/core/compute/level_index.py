"""Examples by their level (a class, or a score), to draw some of a level from."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class LevelIndex:
    """The examples `order`, sorted by level, of which each level has `counts`, at least one, from `first` on."""

    order: Tensor
    first: Tensor
    counts: Tensor

    def draw(self, level: Tensor, source: torch.Generator) -> Tensor:
        """For each of `level` (n,) the place of one of its examples among them, each alike."""
        return (torch.rand(len(level), generator=source, dtype=torch.float64) * self.counts[level]).long()

    def draw_another(self, level: Tensor, place: Tensor, source: torch.Generator) -> Tensor:
        """For each of `level` (n,) another place than `place` (n,), each alike; the same where a level has one example."""
        others = (self.counts[level] - 1).clamp(min=1)
        step = 1 + (torch.rand(len(level), generator=source, dtype=torch.float64) * others).long()
        return (place + step) % self.counts[level]

    def at(self, level: Tensor, place: Tensor) -> Tensor:
        """The examples at these places (n,) among those of the levels (n,)."""
        return self.order[self.first[level] + place]


def level_index(levels: NDArray[np.integer]) -> LevelIndex:
    """Index examples by the distinct values of `levels` (n,)."""
    order = np.argsort(levels, kind="stable")
    _, first, counts = np.unique(levels[order], return_index=True, return_counts=True)
    return LevelIndex(*(torch.from_numpy(part.astype(np.int64)) for part in (order, first, counts)))
