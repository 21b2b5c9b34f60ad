"""What a minimum-norm attack sees of a network at given images: by how much it errs, and how that lead rises."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.gradient import Slope, Way
from dlcli.core.attacks.norms import like_images
from dlcli.core.compute.forward import logits_of
from dlcli.support.errors import InputError, NumericError

# A gradient shorter than this has no direction to speak of; it keeps distances finite.
LEAST = 1e-12


class View:
    """One forward pass at the images `x` (B, ...), of which any number of slopes can be asked.

    `logits` (B, classes) are without gradients. Raises what `logits_of` raises, and InputError if the model lets no gradient
    through.
    """

    def __init__(self, model: nn.Module, x: Tensor, way: Way) -> None:
        self._model, self._way = model, way
        self._images = x.detach().clone(memory_format=way.layout).requires_grad_(True)
        self._live = logits_of(model, self._images)
        if not self._live.requires_grad:
            hint = "look for detach(), no_grad() or integer steps in it, or use --method noise"
            raise InputError("the model lets no gradient through to the images", hint=hint)
        self.logits = self._live.detach()

    def at(self, x: Tensor) -> "View":
        """The same network at other images."""
        return View(self._model, x, self._way)

    def slope(self, value: Callable[[Tensor], Tensor]) -> Slope:
        """The slope of `value`, which maps logits to one value an image, (B,); a backward pass.

        Raises NumericError if the gradient is NaN.
        """
        each = value(self._live)
        # A sum, not a mean: an image's gradient must not depend on how many others share its batch.
        (gradient,) = torch.autograd.grad(
            each.sum(), self._images, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        if bool(torch.isnan(gradient).any()):
            hint = "a square root or a division at 0 in the model is the usual cause"
            raise NumericError("the gradient in the images is NaN", hint=hint)
        return Slope(self.logits, each.detach(), gradient)


@dataclass(frozen=True)
class Face:
    """The boundary between classes nearest to each of B images, if the network were linear.

    `lead` (B,) is that of the class beyond it over the label, below 0 on the label's side; `gradient` (B, ...) is the lead's.
    """

    lead: Tensor
    gradient: Tensor

    def distance(self, norm: str) -> Tensor:
        """How far it is, (B,): the lead over the dual norm of its gradient."""
        return self.lead.abs() / dual_length(self.gradient, norm).clamp_min(LEAST)


def aim_of(lanes: Lanes) -> Tensor | None:
    """The classes that the rows aim at, (B,); None if they aim at none."""
    return lanes.aim if len(lanes) and int(lanes.aim[0]) >= 0 else None


def margin(logits: Tensor, label: Tensor, aim: Tensor | None) -> Tensor:
    """By how much the class aimed at leads all others, or without one, any class the label; (B,), above 0 for a success."""
    chosen = label if aim is None else aim
    own = logits.gather(1, chosen[:, None])[:, 0]
    other = logits.scatter(1, chosen[:, None], -torch.inf).amax(1)
    return other - own if aim is None else own - other


def margin_face(view: View, label: Tensor, aim: Tensor | None) -> Face:
    """The boundary that the margin crosses 0 at; one backward pass."""
    slope = view.slope(lambda logits: margin(logits, label, aim))
    return Face(slope.loss, slope.gradient)


def nearest_face(view: View, label: Tensor, rivals: Tensor, norm: str) -> Face:
    """The nearest of the boundaries between the label and each of its `rivals` (B, K), classes; K backward passes."""

    def face(rival: Tensor) -> Face:
        pair = torch.stack([rival, label], dim=1)
        slope = view.slope(lambda logits: (logits.gather(1, pair) * logits.new_tensor([1, -1])).sum(1))
        return Face(slope.loss, slope.gradient)

    nearest = face(rivals[:, 0])
    for rival in rivals.unbind(1)[1:]:
        other = face(rival)
        nearest = _nearer(nearest, other, norm)
    return nearest


def likeliest_wrong(logits: Tensor, label: Tensor, classes: int) -> Tensor:
    """The `classes` wrong classes of the highest logits, or as many as there are, the likeliest first; (B, K)."""
    wrong = logits.scatter(1, label[:, None], -torch.inf)
    return wrong.topk(min(classes, logits.shape[1] - 1), dim=1).indices


def dual_length(gradient: Tensor, norm: str) -> Tensor:
    """How fast a linear function of that gradient rises along the steepest change of length 1 in `norm`; (B,)."""
    found: Tensor = torch.linalg.vector_norm(gradient.flatten(1), ord=1 if norm == "linf" else 2, dim=1)
    return found


def _nearer(one: Face, other: Face, norm: str) -> Face:
    closer = other.distance(norm) < one.distance(norm)
    rows = like_images(closer, one.gradient)
    return Face(torch.where(closer, other.lead, one.lead), torch.where(rows, other.gradient, one.gradient))
