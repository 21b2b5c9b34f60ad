"""The control: random signs at eps, as large as any attack's change and blind to the model."""

import torch
from torch import Tensor, nn

from dlcli.core.attacks.base import Attack, Bounds


class Noise(Attack):
    """x + eps or x - eps with equal chance for every value; what an attack loses beyond this is the attack's doing."""

    norm = "linf"
    knows_model = False

    def run(self, model: nn.Module, x: Tensor, y: Tensor, *, eps: float, bounds: Bounds, generator: torch.Generator) -> Tensor:
        """Draw one sign for every value."""
        signs = torch.randint(0, 2, x.shape, generator=generator).to(x) * 2 - 1
        return x + eps * signs


ATTACK = Noise()
