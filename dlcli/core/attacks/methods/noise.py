"""The control: a random change of length eps that does not depend on the model."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from dlcli.core.attacks.base import RowGenerators, SingleStep, ThreatModel
from dlcli.core.attacks.norms import like_images


@dataclass(frozen=True)
class Noise(SingleStep):
    """x + eps or x - eps with equal probability for every value, or in l2 and l1 a step of eps in a uniform direction.

    What an attack costs in accuracy beyond this is due to the attack.
    """

    norms = ("linf", "l2", "l1")
    knowledge = "nothing"

    @override
    def run(
        self, model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None, *, threat: ThreatModel, generators: RowGenerators
    ) -> Tensor:
        """Draw one sign for every value, or one direction for every image."""
        drawn = torch.stack([_drawn(x.shape[1:], threat.norm, generators(k)) for k in range(len(x))])
        directions = drawn.to(x)
        if threat.norm == "l1":  # whose steepest change is a single value
            return x + threat.eps * directions / like_images(threat.measure.length(directions), x)
        return x + threat.eps * threat.measure.steepest(directions)


def _drawn(shape: torch.Size, norm: str, generator: torch.Generator) -> Tensor:
    if norm == "linf":
        return torch.randint(0, 2, shape, generator=generator) * 2 - 1
    if norm == "l1":
        return torch.empty(shape).exponential_(generator=generator) * (torch.randint(0, 2, shape, generator=generator) * 2 - 1)
    return torch.randn(shape, generator=generator)


ATTACK = Noise()
