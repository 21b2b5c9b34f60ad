"""HopSkipJump: the nearest adversarial image from decisions alone (Chen et al. 2020, arXiv 1904.02144, algorithm 2)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.attacks.hopskipjump_rounds import Jumps
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.minimum_norm import MinimumNorm


@dataclass(frozen=True)
class HopSkipJump(MinimumNorm):
    """From any image that succeeds to the boundary, and along it towards the clean image.

    A round estimates which way the boundary faces from the decisions on `samples` * sqrt(round) images about the point
    reached, jumps that way and returns to the boundary. It asks for decisions and nothing else, about each image at most
    `queries` times besides one look at it as it is, in at most `steps` rounds; a round that the queries may not cover is not
    begun. The first image that succeeds is noise, or else the nearest of the other images under attack; without either the
    attack on this image fails, as one with targets does where no image is taken for the target.

    An image leaves once its nearest success is within eps, with `first` False when the queries end. With `full` it takes all
    rounds and then a step of eps the way the boundary faces, unless that would lose a success.
    """

    knowledge: ClassVar[str] = "labels"

    queries: int = 5000
    samples: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("queries", self.queries)
        check_count("samples", self.samples)

    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Batch by batch, each to its end."""
        with torch.no_grad():
            return Jumps(self, problem, full=full).run()


ATTACK = HopSkipJump()
