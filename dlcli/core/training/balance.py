"""Balanced sampling: each example of an epoch is drawn by first drawing one of its classes, or levels of its scores."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Balanced:
    """Draws as many examples as there are, with replacement: a level uniformly, then an example of it uniformly.

    Attributes:
        order: The examples, sorted by level, (n,).
        first: Where each level begins in `order`, (levels,).
        counts: How many examples each has, (levels,), none of them 0.
    """

    order: Tensor
    first: Tensor
    counts: Tensor

    def __call__(self, source: torch.Generator) -> Tensor:
        """The examples of an epoch, (n,) indices."""
        n = len(self.order)
        level = torch.randint(len(self.counts), (n,), generator=source)
        within = (torch.rand(n, generator=source, dtype=torch.float64) * self.counts[level]).long()
        return self.order[self.first[level] + within]


def balanced(levels: NDArray[np.integer]) -> Balanced:
    """Sampling that is balanced over the distinct values of `levels` (n,)."""
    order = np.argsort(levels, kind="stable")
    _, first, counts = np.unique(levels[order], return_index=True, return_counts=True)
    return Balanced(*(torch.from_numpy(part.astype(np.int64)) for part in (order, first, counts)))
