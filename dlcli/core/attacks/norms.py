"""The norms of a change: its length, the projection into the ball, the steepest ascent and random points of the ball."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dlcli.core.attacks.l1_ball import into_l1_ball, l1_length, l1_step, l1_vertex

UNBOUNDED = (-math.inf, math.inf)


class Projection(Protocol):
    """The point nearest to `found` in the ball of radius `eps` about `x` and within `bounds`, for each of n images."""

    def __call__(self, found: Tensor, x: Tensor, eps: float, bounds: tuple[float, float] = UNBOUNDED) -> Tensor:
        """Images (n, ...)."""


class Step(Protocol):
    """The change of `length` at `x`, along which a linear function with this gradient increases most."""

    def __call__(self, x: Tensor, gradient: Tensor, length: float | Tensor, bounds: tuple[float, float] = UNBOUNDED) -> Tensor:
        """Changes (n, ...)."""


@dataclass(frozen=True)
class Norm:
    """One norm on images; each function takes batches (n, ...) and treats every image by itself.

    `length(change)` is the norm of each change, (n,). `project(found, x, eps, bounds)` is the point nearest to `found` in the
    ball of radius eps about `x` and within the bounds (for l2 it is clamped to these); to project a projected point again
    changes no bit of it. `steepest(gradient)` is the change of length 1 along which a linear function with that gradient
    increases most, 0 where the gradient is 0, and `step(x, gradient, length, bounds)` one of another length, which for l1 ends
    at the bounds. `draw(shape, generator)` is a point for one image drawn uniformly from the ball of radius 1, float64 on the
    CPU.
    """

    length: Callable[[Tensor], Tensor]
    project: Projection
    steepest: Callable[[Tensor], Tensor]
    step: Step
    draw: Callable[[Sequence[int], torch.Generator], Tensor]


def _linf_length(change: Tensor) -> Tensor:
    return change.flatten(1).abs().amax(1)


def into_linf_ball(found: Tensor, x: Tensor, eps: float, bounds: tuple[float, float] = UNBOUNDED) -> Tensor:
    """The point nearest to `found` whose every value is within `eps` of that of `x`, and within `bounds`.

    Args:
        found: Images (n, ...).
        x: The centres (n, ...).
        eps: The radius, at least 0.
        bounds: The lowest and highest value of an image.

    Returns:
        The points (n, ...).
    """
    return torch.minimum(torch.maximum(found, x - eps), x + eps).clamp(*bounds)


def _linf_step(x: Tensor, gradient: Tensor, length: float | Tensor, bounds: tuple[float, float] = UNBOUNDED) -> Tensor:
    return length * torch.sign(gradient)


def _in_linf_ball(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    return torch.empty(tuple(shape), dtype=torch.float64).uniform_(-1, 1, generator=generator)


def _l2_length(change: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(change.flatten(1), dim=1)
    return found


def into_l2_ball(found: Tensor, x: Tensor, eps: float, bounds: tuple[float, float] = UNBOUNDED) -> Tensor:
    """The point nearest to `found` within the l2 distance `eps` of `x`, clamped to `bounds`.

    Args:
        found: Images (n, ...).
        x: The centres (n, ...).
        eps: The radius, at least 0.
        bounds: The lowest and highest value of an image.

    Returns:
        The points (n, ...).
    """
    change = found - x
    length = like_images(_l2_length(change), x)
    # With a margin inside, so that rounding the sum puts no projected point outside, and projecting again changes nothing.
    rounding = 4 * torch.finfo(x.dtype).eps * (eps + like_images(_linf_length(x), x))
    return torch.where(length <= eps, found, x + change * ((eps - rounding).clamp_min(0) / length)).clamp(*bounds)


def _l2_step(x: Tensor, gradient: Tensor, length: float | Tensor, bounds: tuple[float, float] = UNBOUNDED) -> Tensor:
    return length * unit(gradient)


def unit(gradient: Tensor) -> Tensor:
    """Each image's gradient scaled to l2 norm 1; 0 stays 0."""
    # First by the largest value: the squares of a gradient of 1e-30, that of a very confident network, are 0 in float32.
    scaled = gradient / like_images(_nonzero(_linf_length(gradient)), gradient)
    return scaled / like_images(_nonzero(_l2_length(scaled)), gradient)


def _in_l2_ball(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    # A uniform direction, and a radius whose d-th power is uniform.
    direction = torch.randn(tuple(shape), generator=generator, dtype=torch.float64)
    radius = torch.rand((), generator=generator, dtype=torch.float64) ** (1 / max(1, direction.numel()))
    return unit(direction[None])[0] * radius


def _in_l1_ball(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    # Exponential variables over their sum and one more are uniform in the simplex (Devroye 1986, section 5.2), then signs.
    size = math.prod(shape)
    spacings = torch.empty(size + 1, dtype=torch.float64).exponential_(generator=generator)
    signs = torch.randint(0, 2, (size,), generator=generator) * 2 - 1
    return (signs * spacings[:-1] / spacings.sum()).reshape(tuple(shape))


def like_images(values: Tensor, images: Tensor) -> Tensor:
    """One value per image, (n,), reshaped to broadcast against `images` (n, ...)."""
    return values.reshape(-1, *[1] * (images.dim() - 1))


def _nonzero(length: Tensor) -> Tensor:
    return torch.where(length > 0, length, 1)


NORMS: dict[str, Norm] = {
    "linf": Norm(_linf_length, into_linf_ball, torch.sign, _linf_step, _in_linf_ball),
    "l2": Norm(_l2_length, into_l2_ball, unit, _l2_step, _in_l2_ball),
    "l1": Norm(l1_length, into_l1_ball, l1_vertex, l1_step, _in_l1_ball),
}
