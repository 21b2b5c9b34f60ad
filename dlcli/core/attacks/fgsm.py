"""The fast gradient sign method: one step of eps up the loss (Goodfellow et al. 2015, arXiv 1412.6572, section 4)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.attacks.base import Attack, Bounds
from dlcli.core.logits import logits_of
from dlcli.support.errors import InputError, NumericError


class FGSM(Attack):
    """x + eps * sign(gradient of the cross-entropy in x), untargeted; a value whose gradient is 0 stays."""

    norm = "linf"

    def run(self, model: nn.Module, x: Tensor, y: Tensor, *, eps: float, bounds: Bounds, generator: torch.Generator) -> Tensor:
        """Take the one step."""
        return x + eps * loss_gradient(model, x, y).sign()


def loss_gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The gradient in `x` of each image's own cross-entropy, in the shape of `x`.

    Raises InputError if the model lets no gradient through, NumericError if the gradient is NaN.
    """
    images = x.detach().clone().requires_grad_(True)
    logits = logits_of(model, images)
    if not logits.requires_grad:
        hint = "look for detach(), no_grad() or integer steps in it, or use --method noise"
        raise InputError("the model lets no gradient through to the images", hint=hint)
    # A sum, not a mean: an image's gradient must not depend on how many others share its batch.
    loss = cross_entropy(logits, y.long(), reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images, allow_unused=True, materialize_grads=True)
    if bool(torch.isnan(gradient).any()):
        hint = "a square root or a division at 0 in the model is the usual cause"
        raise NumericError("the gradient in the images is NaN", hint=hint)
    return gradient


ATTACK = FGSM()
