"""Attacks on a predicted score: how far it can be moved within eps, by attacks that increase the cross-entropy of a class."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.attacks.base import Attack
from dlcli.core.compute.forward import predict_logits
from dlcli.support.reporter import Task

Value = Callable[[Tensor], Tensor]
"""The scores (n,) that outputs (n, k) stand for."""

UP, DOWN = "up", "down"
DIRECTIONS = (UP, DOWN)


class ScoreAsClass(nn.Module):
    """A network of scores as one of two classes, whose first class has a cross-entropy that rises with the score alone.

    With logits (0, d) that cross-entropy is log(1 + exp(d)), and d is the score in units of `scale` from `centre`, or minus
    that. So its gradient is that of the score but for a factor above 0, which no step that `steepest` scales knows.
    """

    def __init__(self, model: nn.Module, value: Value, direction: str, *, centre: float, scale: float) -> None:
        super().__init__()
        self.model, self.value, self.centre = model, value, centre
        self.scale = scale if direction == UP else -scale

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, ...) to logits (n, 2)."""
        away = (self.value(self.model(x)) - self.centre) / self.scale
        return torch.stack([torch.zeros_like(away), away], 1)


@dataclass(frozen=True)
class ScoredNetwork:
    """A network of scores on its device.

    Attributes:
        model: Maps images (n, ...) to outputs (n, k).
        value: Reads scores from outputs.
        device: Where the network is.
    """

    model: nn.Module
    value: Value
    device: torch.device

    def scores(self, x: Tensor) -> Tensor:
        """The scores of images (n, ...), (n,) float64 on the CPU."""
        return self.value(predict_logits(self.model, x, device=self.device).double())

    def moved(
        self,
        attack: Attack,
        x: Tensor,
        direction: str,
        *,
        eps: float,
        norm: str,
        seed: int,
        first: int | Tensor = 0,
        task: Task | None = None,
    ) -> Tensor:
        """Images whose scores an attack has moved up or down as far as it could; all steps are taken for every image.

        Args:
            attack: One that `raises_cross_entropy`, or one that uses nothing of the network.
            x: Images (n, ...) in [0, 1].
            direction: UP or DOWN.
            eps: The largest change of an image in `norm`.
            norm: A norm of the attack.
            seed: Of all random numbers.
            first: As `Attack` takes it.
            task: Is advanced by one per image.

        Returns:
            The images, in the shape of `x`.
        """
        clean = self.scores(x)
        scale = float(clean.std(correction=0)) or 1.0
        model = ScoreAsClass(self.model, self.value, direction, centre=float(clean.mean()), scale=scale)
        labels = torch.zeros(len(x), dtype=torch.int64)
        return attack(model, x, labels, eps=eps, norm=norm, full=True, seed=seed, first=first, task=task)
