"""HopSkipJump: the nearest adversarial image from decisions alone (Chen et al. 2020, arXiv 1904.02144, algorithm 2)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import Problem, check_count
from dlcli.core.attacks.hopskipjump_rounds import HopSkipJumpRounds
from dlcli.core.attacks.minimum_norm import MinimumNorm


@dataclass(frozen=True)
class HopSkipJump(MinimumNorm):
    """From an adversarial starting point to the decision boundary, and along it towards the clean image.

    A round estimates the normal of the boundary from the decisions on `samples` * sqrt(round) images about the current point,
    steps along it and returns to the boundary. It uses decisions only, at most `queries` per image besides one for the clean
    image, in at most `steps` rounds; a round that the queries may not cover is not begun. The starting point is a random
    image, or else the nearest of the other images under attack. Where neither is adversarial the attack fails; so does a
    targeted one where no image is classified as the target.

    An image is done once its nearest success is within eps, with `first` False when the queries are used up. With `full` it
    takes all rounds and then a step of eps along the normal, unless that would lose a success.
    """

    knowledge: ClassVar[str] = "labels"

    queries: int = 5000
    samples: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("queries", self.queries)
        check_count("samples", self.samples)

    @override
    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Attack batch by batch."""
        with torch.no_grad():
            rounds = HopSkipJumpRounds(
                problem, queries=self.queries, steps=self.steps, samples=self.samples, first=self.first, full=full
            )
            return rounds.run()


ATTACK = HopSkipJump()
