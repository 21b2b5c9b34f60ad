"""The l1 norm within bounds: the ball is cut off by the box, and the best change of a linear function is sparse.

After Croce and Hein 2021 (Mind the Box: l1-APGD for Sparse Adversarial Attacks, arXiv 2103.01208, sections 3.1 and 3.2): to
project into the ball and then to clamp ends inside of the set, where a change of the same size may be stronger.
"""

import math

import torch
from torch import Tensor

Bounds = tuple[float, float]
_EVERYWHERE = (-math.inf, math.inf)


def l1_length(change: Tensor) -> Tensor:
    """The sum of absolute values of each change, (n,)."""
    return change.flatten(1).abs().sum(1)


def into_l1_ball(found: Tensor, x: Tensor, eps: float | Tensor, bounds: Bounds = _EVERYWHERE) -> Tensor:
    """The point nearest to `found` within the l1 distance `eps` of `x` and within `bounds`.

    Each value moves from `x` by its own change, shrunk by one number for the whole image and cut off at the bounds
    (proposition 2.1 of the paper). That number is found exactly, between two of the points at which a value starts or stops to
    move.

    Args:
        found: Images (n, ...).
        x: The centres (n, ...), within the bounds.
        eps: The radius, at least 0, for all images or for each, (n,).
        bounds: The lowest and highest value of an image.

    Returns:
        The points (n, ...).
    """
    clean, change = x.flatten(1), (found - x).flatten(1)
    size = change.abs()
    room = torch.where(change > 0, bounds[1] - clean, clean - bounds[0])
    radius = _column(eps, x)
    # A margin for the rounding of the sums x + change and of their distances, so that projecting again changes nothing.
    touched = torch.where(size > 0, clean.abs() + torch.minimum(size, room), 0).sum(1, keepdim=True)
    aim = (radius - torch.finfo(x.dtype).eps * (touched + 20 * radius)).clamp_min(0)
    shrunk = torch.minimum((size - _shrinkage(size, room, aim)).clamp_min(0), room)
    length = shrunk.sum(1, keepdim=True)
    moved = torch.sign(change) * shrunk * torch.where(length > aim, aim / length, 1)
    held = found.clamp(*bounds)
    inside = l1_length(held - x).reshape(-1, 1) <= radius
    return torch.where(inside, held.flatten(1), clean + moved).clamp(*bounds).reshape(x.shape)


def _column(values: float | Tensor, like: Tensor) -> Tensor:
    """One value for all images, or one for each, as (1, 1) or (n, 1); made where `like` is, so that the host copies nothing."""
    if isinstance(values, Tensor):
        return values.to(like.dtype).reshape(-1, 1)
    return torch.full((1, 1), values, dtype=like.dtype, device=like.device)


def _shrinkage(size: Tensor, room: Tensor, aim: Tensor) -> Tensor:
    """By how much changes of `size` (n, d) shrink, (n, 1), for their sum to be `aim` (n, 1) once they are cut off at `room`."""
    # From the largest change down, each starts to move at its own size and stops once it has used its room.
    points, order = torch.cat([size, (size - room).clamp_min(0)], 1).sort(dim=1, descending=True, stable=True)
    moving = (2 * (order < size.shape[1]).to(size.dtype) - 1).cumsum(1)
    used = torch.cat([torch.zeros_like(aim), (moving[:, :-1] * (points[:, :-1] - points[:, 1:])).cumsum(1)], 1)
    last = ((used <= aim).sum(1, keepdim=True) - 1).clamp_min(0)
    left = (aim - used.gather(1, last)) / moving.gather(1, last).clamp_min(1)
    return (points.gather(1, last) - left).clamp_min(0)


def l1_vertex(gradient: Tensor) -> Tensor:
    """The change of length 1 that increases a linear function most: one value, that of the greatest slope; (n, ...)."""
    flat = gradient.flatten(1)
    place = flat.abs().argmax(1, keepdim=True)
    return torch.zeros_like(flat).scatter(1, place, torch.sign(flat.gather(1, place))).reshape(gradient.shape)


def l1_step(x: Tensor, gradient: Tensor, length: float | Tensor, bounds: Bounds = _EVERYWHERE) -> Tensor:
    """The change of `length` within the bounds that increases a linear function most.

    Values move to their bound in the order of their slopes, until the length is used up.

    Args:
        x: Images (n, ...).
        gradient: The gradient (n, ...).
        length: The l1 length of the change, for all images or for each, in the shape (n, 1, ...) or (n,).
        bounds: The lowest and highest value of an image.

    Returns:
        The changes (n, ...).
    """
    clean, slope = x.flatten(1), gradient.flatten(1)
    room = torch.where(slope > 0, bounds[1] - clean, torch.where(slope < 0, clean - bounds[0], 0)).clamp_min(0)
    order = slope.abs().sort(dim=1, descending=True, stable=True).indices
    ordered = room.gather(1, order)
    before = torch.cat([torch.zeros_like(ordered[:, :1]), ordered.cumsum(1)[:, :-1]], 1)
    given = _column(length, x)
    taken = torch.minimum((given - before).clamp_min(0), ordered)
    return (torch.zeros_like(clean).scatter(1, order, taken) * torch.sign(slope)).reshape(x.shape)
