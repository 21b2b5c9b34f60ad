"""What the methods share: the number that is explained, settings, maps, and passes through a network in batches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from dlcli.core.compute.batches import FittingParts
from dlcli.core.compute.device import at_a_time
from dlcli.core.compute.forward import differentiate, in_mode, logits_of
from dlcli.core.compute.precision import float32_precision
from dlcli.core.compute.rng import preserved
from dlcli.support.errors import InputError

_BATCH = 256


class Target(Protocol):
    """The number that is explained, one for each example."""

    def __call__(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """From outputs (m, k) of the network to (m,); `rows` (m,) says which of the explained images each one is of."""


@dataclass(frozen=True)
class ExplainSettings:
    """Settings of all methods.

    Attributes:
        window: Side of the window of occlusion in pixels, cut to the image; None is a quarter of its shorter side.
        baseline: What stands for a pixel that is hidden: a name of `BASELINES`.
        steps: Points of the path of integrated gradients.
        device: Where the network is.
    """

    window: int | None = None
    baseline: str = "mean"
    steps: int = 32
    device: torch.device = torch.device("cpu")


@dataclass(frozen=True)
class Maps:
    """Maps of n images, (n, h, w) float32 on the CPU.

    Attributes:
        signed: Positive where a pixel raises the target, negative where it lowers it.
        strength: How much a pixel matters, whichever way: 0 or more.
        note: What the method found out about its own accuracy; may be empty.
    """

    signed: Tensor
    strength: Tensor
    note: str = ""


def predicted_classes(logits: Tensor) -> Target:
    """The logit of the class that is predicted for each image, by its `logits` (n, classes).

    The logit, not the probability: that of a sure network is 1 almost everywhere around an image, and its map would be empty.
    """
    return classes(logits.argmax(1))


def classes(chosen: Tensor) -> Target:
    """The logit of a given class of each image, `chosen` (n,)."""

    def target(outputs: Tensor, rows: Tensor) -> Tensor:
        return outputs.gather(1, chosen.to(outputs.device)[rows.to(outputs.device)][:, None])[:, 0]

    return target


@contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Inside the block `model` runs in evaluation mode and IEEE float32; modes and random states are left as found."""
    with float32_precision("ieee"), in_mode(model), preserved():
        yield


def target_values(
    model: nn.Module, images: Callable[[Tensor], Tensor], rows: Tensor, target: Target, device: torch.device
) -> Tensor:
    """The target of images that are made when they are needed.

    Args:
        model: The network, on `device`, in evaluation mode.
        images: Makes those of the numbers (m,) from 0 to len(rows) - 1 on the CPU, (m, c, h, w).
        rows: Which of the explained images each one is of.
        target: The number that is explained.
        device: Where to compute.

    Returns:
        The values, (len(rows),) float64 on the CPU, or (len(rows), v) if `target` gives v numbers for each.

    Raises:
        InputError: If the network fails on the images.
        ResourceError: If memory does not suffice for one image.
    """

    @torch.no_grad()
    def part(begin: int, end: int) -> Tensor:
        outputs = logits_of(model, images(torch.arange(begin, end)).to(device))
        return target(outputs, rows[begin:end]).cpu().double()

    return torch.cat(list(parts_of(images, device).map(part, len(rows))))


def parts_of(images: Callable[[Tensor], Tensor], device: torch.device) -> FittingParts:
    """Parts of as many images as go through a network at a time."""
    return FittingParts(at_a_time(_BATCH, images(torch.arange(1)), device), device)


def gradient(value: Tensor, by: Tensor, hint: str) -> Tensor:
    """The gradient of the sum of `value` (m,) by `by`; raises InputError with `hint` if there is none."""
    (found,) = differentiate(value.sum(), [by]) if value.requires_grad else (None,)
    if found is None:
        raise InputError("the network lets no gradient through", hint=hint)
    return found.detach()


def check_images(x: Tensor) -> None:
    """Raise InputError for clips of video."""
    if x.dim() != 4:
        raise InputError("`explain` takes images, not videos")
