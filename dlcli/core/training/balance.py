"""Balanced sampling: each example of an epoch is drawn by first drawing one of its classes, or levels of its scores."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.level_index import LevelIndex, level_index


@dataclass(frozen=True)
class Balanced:
    """Draws as many examples as there are, with replacement: a level uniformly, then an example of it uniformly."""

    examples: LevelIndex

    def __call__(self, source: torch.Generator) -> Tensor:
        """The examples of an epoch, (n,) indices."""
        level = torch.randint(len(self.examples.counts), (len(self.examples.order),), generator=source)
        return self.examples.at(level, self.examples.draw(level, source))


def balanced(levels: NDArray[np.integer]) -> Balanced:
    """Sampling that is balanced over the distinct values of `levels` (n,)."""
    return Balanced(level_index(levels))
