"""The control: a random change of length eps that does not depend on the model."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from dlcli.core.attacks.base import SingleStep, ThreatModel


@dataclass(frozen=True)
class Noise(SingleStep):
    """x + eps or x - eps with equal probability for every value, or in l2 a step of eps in a uniform direction.

    What an attack costs in accuracy beyond this is due to the attack.
    """

    norms = ("linf", "l2")
    knowledge = "nothing"

    @override
    def run(
        self, model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None, *, threat: ThreatModel, generator: torch.Generator
    ) -> Tensor:
        """Draw one sign for every value, or one direction for every image."""
        if threat.norm == "linf":
            drawn = torch.randint(0, 2, x.shape, generator=generator) * 2 - 1
        else:
            drawn = torch.stack([torch.randn(x.shape[1:], generator=generator) for _ in x])
        return x + threat.eps * threat.measure.steepest(drawn.to(x))


ATTACK = Noise()
