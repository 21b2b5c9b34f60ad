"""The fast gradient sign method: one step of eps up the loss (Goodfellow et al. 2015, arXiv 1412.6572, section 4)."""

from dataclasses import dataclass

from torch import Tensor, nn
from typing_extensions import override

from dlcli.core.attacks.base import RowGenerators, SingleStep, ThreatModel
from dlcli.core.attacks.gradient import fastest_forward_mode, loss_gradient_at
from dlcli.core.attacks.losses import cross_entropy


@dataclass(frozen=True)
class FGSM(SingleStep):
    """x + eps * sign(gradient of the cross-entropy w.r.t. x), in l2 a step of eps along the gradient; 0 stays 0.

    In l1 the values of the greatest slopes move to their bounds, until eps is used up.

    With targets it decreases the cross-entropy of the target instead.
    """

    raises_cross_entropy = True

    norms = ("linf", "l2", "l1")
    targeted = True

    @override
    def run(
        self, model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None, *, threat: ThreatModel, generators: RowGenerators
    ) -> Tensor:
        """Take the step."""
        return x + threat.step(x, _input_gradient(model, x, y, targets), threat.eps)


def _input_gradient(model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None) -> Tensor:
    """The gradient (n, ...) of each image's own cross-entropy w.r.t. `x`, or of minus that of its target."""
    target_class = None if targets is None else targets.long()
    mode = fastest_forward_mode(model, x, fast=False)
    return loss_gradient_at(model, x, lambda logits: cross_entropy(logits, y.long(), target_class), mode=mode).gradient


ATTACK = FGSM()
