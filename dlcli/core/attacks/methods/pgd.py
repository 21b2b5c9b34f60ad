"""Projected gradient descent from random starts (Madry et al. 2018, arXiv 1706.06083, sections 2.1 and 4)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.gradient import Slope
from dlcli.core.attacks.iterated import FixedStep, check_count


@dataclass(frozen=True)
class PGD(FixedStep):
    """From a point drawn uniformly from the ball, steps of 2.5 * eps / steps along the steepest ascent of the norm.

    Each image gets up to `restarts` runs; without `random_start` only the first is of use, from the image itself.
    """

    reach = 2.5

    restarts: int = 1
    random_start: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("restarts", self.restarts)

    @property
    def tries(self) -> int:
        """As many as there are restarts."""
        return self.restarts

    def start(self, clean: Tensor, threat: Threat, generator: torch.Generator) -> Tensor:
        """A point of the ball about `clean`."""
        return random_point(clean, threat, generator) if self.random_start else clean

    def move(self, lanes: Lanes, slope: Slope, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One step of fixed length."""
        return lanes.x + self.step_of(threat.eps) * threat.measure.steepest(slope.gradient), lanes.memory


def random_point(clean: Tensor, threat: Threat, generator: torch.Generator) -> Tensor:
    """A point drawn uniformly from the ball of the threat about the image `clean` (...); it may be out of bounds."""
    return clean + threat.eps * threat.measure.draw(clean.shape, generator).to(clean.dtype)


ATTACK = PGD()
