"""Margins between classes at given images, their gradients, and the decision boundaries of the linearised network."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.attacks.gradient import ForwardMode, LossGradient, differentiable_logits, gradient_of, track_gradients
from dlcli.core.attacks.norms import like_images
from dlcli.core.compute.device import send

# A gradient shorter than this counts as this long, so that distances stay finite.
_MIN_DUAL_NORM = 1e-12


class ForwardPass:
    """One forward pass at the images `x` (B, ...), from which any number of gradients can be taken.

    `logits` (B, classes) carry no graph. Raises what `differentiable_logits` raises.
    """

    def __init__(self, model: nn.Module, x: Tensor, mode: ForwardMode) -> None:
        self._model, self._mode = model, mode
        self._images = track_gradients(x, mode)
        self._graph_logits = differentiable_logits(model, self._images)
        self.logits = self._graph_logits.detach()

    def at(self, x: Tensor) -> "ForwardPass":
        """A pass of the same network at other images."""
        return ForwardPass(self._model, x, self._mode)

    def gradient(self, value: Callable[[Tensor], Tensor]) -> LossGradient:
        """The gradient of `value`, which maps logits to one value per image, (B,): one backward pass.

        Raises NumericError if the gradient is NaN.
        """
        per_image = value(self._graph_logits)
        return LossGradient(self.logits, per_image.detach(), gradient_of(per_image, self._images, retain_graph=True))


@dataclass(frozen=True)
class LinearBoundary:
    """The decision boundary next to each of B images, as if the network were linear there.

    `margin` (B,) is that of the class beyond the boundary over the label, below 0 on the label's side, and `gradient` (B, ...)
    the margin's.
    """

    margin: Tensor
    gradient: Tensor

    def distance(self, norm: str) -> Tensor:
        """The distance to the boundary, (B,): the margin over the dual norm of its gradient."""
        return self.margin.abs() / dual_norm(self.gradient, norm).clamp_min(_MIN_DUAL_NORM)


def margin(logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
    """The logit of the target class minus the greatest other, or untargeted, the greatest other minus the label's; (B,).

    Above 0 where the image is adversarial.
    """
    chosen = label if target_class is None else target_class
    own = logits.gather(1, chosen[:, None])[:, 0]
    other = logits.scatter(1, chosen[:, None], -torch.inf).amax(1)
    return other - own if target_class is None else own - other


def margin_boundary(forward: ForwardPass, label: Tensor, target_class: Tensor | None) -> LinearBoundary:
    """The boundary at which the margin is 0; one backward pass."""
    found = forward.gradient(lambda logits: margin(logits, label, target_class))
    return LinearBoundary(found.loss, found.gradient)


def nearest_boundary(forward: ForwardPass, label: Tensor, rivals: Tensor, norm: str) -> LinearBoundary:
    """The nearest of the boundaries between the label and each of several classes.

    Args:
        forward: The pass at the B images; K backward passes are made through it.
        label: The labels (B,).
        rivals: The other classes, (B, K).
        norm: The norm that distances are measured in.

    Returns:
        For each image the boundary with one of its rivals.
    """
    signs = send(torch.tensor([1, -1], dtype=forward.logits.dtype), label.device)

    def boundary(rival: Tensor) -> LinearBoundary:
        pair = torch.stack([rival, label], dim=1)
        found = forward.gradient(lambda logits: (logits.gather(1, pair) * signs).sum(1))
        return LinearBoundary(found.loss, found.gradient)

    nearest = boundary(rivals[:, 0])
    for rival in rivals.unbind(1)[1:]:
        nearest = _nearer(nearest, boundary(rival), norm)
    return nearest


def top_wrong_classes(logits: Tensor, label: Tensor, classes: int) -> Tensor:
    """The `classes` wrong classes with the greatest logits, greatest first, or all if there are fewer; (B, K)."""
    wrong = logits.scatter(1, label[:, None], -torch.inf)
    return wrong.topk(min(classes, logits.shape[1] - 1), dim=1).indices


_DUAL = {"linf": 1.0, "l2": 2.0, "l1": float("inf")}
"""Order of the dual norm."""


def dual_norm(gradient: Tensor, norm: str) -> Tensor:
    """The dual norm of a gradient (B, ...): its l1 norm for linf, its l2 norm for l2, its largest value for l1; (B,).

    A linear function with this gradient rises that much along the best change of length 1 in `norm`.
    """
    found: Tensor = torch.linalg.vector_norm(gradient.flatten(1), ord=_DUAL[norm], dim=1)
    return found


def _nearer(one: LinearBoundary, other: LinearBoundary, norm: str) -> LinearBoundary:
    closer = other.distance(norm) < one.distance(norm)
    rows = like_images(closer, one.gradient)
    return LinearBoundary(torch.where(closer, other.margin, one.margin), torch.where(rows, other.gradient, one.gradient))
