"""The momentum iterative method, MI-FGSM (Dong et al. 2018, arXiv 1710.06081, algorithm 1), made for transfer."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.gradient import Slope
from dlcli.core.attacks.iterated import FixedStep
from dlcli.core.attacks.norms import like_images
from dlcli.support.errors import UsageError


@dataclass(frozen=True)
class MIFGSM(FixedStep):
    """g <- momentum * g + gradient / its mean absolute value; x <- x + eps / steps * sign(g), or along g in l2.

    From the image itself. With a momentum of 0 it is BIM.
    """

    steps: int = 10
    momentum: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < float("inf"):
            raise UsageError(f"momentum is {self.momentum}", hint="give a number from 0 up; the paper uses 1")

    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """No velocity yet."""
        return {"velocity": torch.zeros_like(x)}

    def move(self, lanes: Lanes, slope: Slope, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Gather velocity and step along it."""
        mean = slope.gradient.flatten(1).abs().mean(1)
        scaled = slope.gradient / like_images(torch.where(mean > 0, mean, 1), slope.gradient)
        velocity = self.momentum * lanes.memory["velocity"] + scaled
        return lanes.x + self.step_of(threat.eps) * threat.measure.steepest(velocity), {"velocity": velocity}


ATTACK = MIFGSM()
