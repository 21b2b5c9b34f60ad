"""The control: a random change at eps, as large as any attack's and blind to the model."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.attacks.base import SingleStep, Threat


@dataclass(frozen=True)
class Noise(SingleStep):
    """x + eps or x - eps with equal chance for every value, or in l2 a step of eps in a uniform direction.

    What an attack loses beyond this is the attack's doing.
    """

    norms = ("linf", "l2")
    knowledge = "nothing"

    def run(
        self, model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None, *, threat: Threat, generator: torch.Generator
    ) -> Tensor:
        """Draw one sign for every value, or one direction for every image."""
        if threat.norm == "linf":
            drawn = torch.randint(0, 2, x.shape, generator=generator) * 2 - 1
        else:
            drawn = torch.stack([torch.randn(x.shape[1:], generator=generator) for _ in x])
        return x + threat.eps * threat.measure.steepest(drawn.to(x))


ATTACK = Noise()
