"""The fast gradient sign method: one step of eps up the loss (Goodfellow et al. 2015, arXiv 1412.6572, section 4)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.attacks.base import SingleStep, Threat
from dlcli.core.attacks.gradient import quickest_way, slope_at
from dlcli.core.attacks.losses import cross_entropy


@dataclass(frozen=True)
class FGSM(SingleStep):
    """x + eps * sign(gradient of the cross-entropy in x), or in l2 along the gradient itself; a gradient of 0 moves nothing.

    With targets it goes down the cross-entropy of the target instead.
    """

    norms = ("linf", "l2")
    targeted = True

    def run(
        self, model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None, *, threat: Threat, generator: torch.Generator
    ) -> Tensor:
        """Take the one step."""
        return x + threat.eps * threat.measure.steepest(loss_gradient(model, x, y, targets))


def loss_gradient(model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None = None) -> Tensor:
    """The gradient in `x` of each image's own cross-entropy (minus that of the target, if any), in the shape of `x`.

    Raises what `slope_at` raises.
    """
    aim = None if targets is None else targets.long()
    way = quickest_way(model, x, fast=False)
    return slope_at(model, x, lambda logits: cross_entropy(logits, y.long(), aim), way=way).gradient


ATTACK = FGSM()
