"""The momentum iterative method, MI-FGSM (Dong et al. 2018, arXiv 1710.06081, algorithm 1), designed for transfer."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import ThreatModel
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.gradient import LossGradient
from dlcli.core.attacks.iterated import FixedStep
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.pool import NextStep
from dlcli.support.errors import UsageError


@dataclass(frozen=True)
class MIFGSM(FixedStep):
    """g <- momentum * g + gradient / its mean absolute value; x <- x + eps / steps * sign(g), or along g in l2.

    It starts at the clean image. With a momentum of 0 it is BIM.
    """

    raises_cross_entropy = True

    steps: int = 10
    momentum: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < float("inf"):
            raise UsageError(f"`momentum` must be at least 0, not {self.momentum}", hint="the paper uses 1")

    @override
    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """A velocity of 0."""
        return {"velocity": torch.zeros_like(x)}

    @override
    def step(self, batch: ActiveBatch, at_x: LossGradient, threat: ThreatModel) -> NextStep:
        """Update the velocity and step along it."""
        mean = at_x.gradient.flatten(1).abs().mean(1)
        scaled = at_x.gradient / like_images(torch.where(mean > 0, mean, 1), at_x.gradient)
        velocity = self.momentum * batch.memory["velocity"] + scaled
        x = batch.x + self.length_of_step(threat.eps) * threat.measure.steepest(velocity)
        return NextStep(x, {"velocity": velocity})


ATTACK = MIFGSM()
