"""What all attacks share: what is checked before, and what is promised after."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from dlcli.core import rng
from dlcli.core.logits import in_mode, logits_of, shape_of, type_of
from dlcli.support.errors import InputError, NumericError, UsageError
from dlcli.support.report import Task

Bounds = tuple[float, float]


class Attack(ABC):
    """A way to change images so that a network errs, none of them by more than eps.

    An entry of the registry implements `run` for one batch. Callers call the attack itself, which checks the input,
    batches, holds the result to the eps ball and to the bounds, and leaves the model and all random states as found.
    """

    norm: ClassVar[str]
    """The norm that eps is measured in: a key of `PROJECTIONS`."""

    knows_model: ClassVar[bool] = True
    """Whether the attack looks at the model it is given; False for controls."""

    @final
    def __call__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        eps: float,
        bounds: Bounds = (0.0, 1.0),
        batch_size: int = 128,
        seed: int = 0,
        task: Task | None = None,
    ) -> Tensor:
        """Adversarial twins of the images `x` (n, ...), a floating type within `bounds`, of labels `y` (n,), integers.

        `model` maps images to logits (n, classes) and is attacked in evaluation mode on its own device. The result has
        the shape, type and device of `x`; it differs from `x` by at most `eps` (in the units of `x`, by `self.norm`)
        and stays within `bounds`. `seed` fixes all randomness. `task` is advanced by one for each image.

        Raises UsageError (eps, bounds, batch_size), InputError (images, labels, a model that does not fit them) or
        NumericError (logits or gradients that are not finite).
        """
        _check_options(eps, bounds, batch_size)
        _check_images(x, bounds)
        _check_labels(y, len(x))
        if len(x) == 0:
            return x.clone()
        device = _device(model, x)
        generator = rng.generator(seed)
        done = []
        with _borrowed(model), rng.preserved(), torch.enable_grad():
            logits_of(model, x[:1].to(device), classes=int(y.max()) + 1)
            for images, labels in zip(x.detach().split(batch_size), y.split(batch_size), strict=True):
                start = images.to(device)
                found = self.run(model, start, labels.to(device), eps=eps, bounds=bounds, generator=generator)
                done.append(self._held(found, start, eps, bounds).to(x.device))
                if task is not None:
                    task.advance(len(images))
        return torch.cat(done)

    @abstractmethod
    def run(self, model: nn.Module, x: Tensor, y: Tensor, *, eps: float, bounds: Bounds, generator: torch.Generator) -> Tensor:
        """Attack one batch: images `x` (n, ...) and labels `y` (n,) on the model's device, n at least 1.

        The model is in evaluation mode and its parameters need no gradient. Randomness comes from `generator` (on the
        CPU) only, drawn image by image so that the size of batches does not matter. The caller projects the result.
        """

    def _held(self, found: Tensor, x: Tensor, eps: float, bounds: Bounds) -> Tensor:
        held = PROJECTIONS[self.norm](found.detach(), x, eps).clamp(*bounds)
        if not bool(torch.isfinite(held).all()):
            raise NumericError("the attack left NaN or infinity in the images")
        return held


def into_linf_ball(found: Tensor, x: Tensor, eps: float) -> Tensor:
    """The point nearest to `found` whose every value is within `eps` of that of `x`."""
    return torch.minimum(torch.maximum(found, x - eps), x + eps)


PROJECTIONS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {"linf": into_linf_ball}
"""For each norm, the projection of (found, x) into the ball of radius eps about x."""


@contextmanager
def _borrowed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients for parameters inside, everything as it was afterwards."""
    parameters = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    with in_mode(model):
        try:
            model.requires_grad_(False)
            yield
        finally:
            for parameter, required in parameters:
                parameter.requires_grad_(required)


def _check_options(eps: float, bounds: Bounds, batch_size: int) -> None:
    if not (math.isfinite(eps) and eps >= 0):
        raise UsageError(f"eps is {eps}", hint="give a number from 0 up, in input units")
    if not bounds[0] < bounds[1]:
        raise UsageError(f"the bounds are {bounds}", hint="give (low, high) with low below high, such as (0.0, 1.0)")
    if batch_size < 1:
        raise UsageError(f"batch_size is {batch_size}", hint="give a whole number from 1 up")


def _check_images(x: Tensor, bounds: Bounds) -> None:
    low, high = bounds
    if not x.is_floating_point():
        raise InputError(f"the images are {type_of(x)}", hint=f"give a floating type between {low:g} and {high:g}")
    if x.numel() == 0:
        return
    least, greatest = float(x.min()), float(x.max())
    if math.isnan(least):
        raise InputError("the images contain NaN", hint="mend or drop these images")
    if least < low or greatest > high:
        seen = f"the images reach from {least:g} to {greatest:g}, outside the bounds {low:g} to {high:g}"
        raise InputError(seen, hint="scale them (bytes: divide by 255); normalisation belongs into the model")


def _check_labels(y: Tensor, n: int) -> None:
    if y.is_floating_point() or y.dtype == torch.bool or y.shape != (n,):
        seen = f"the labels are {shape_of(y)} of {type_of(y)} for {n} images"
        raise InputError(seen, hint="give one whole number per image, counted from 0")
    if n and int(y.min()) < 0:
        raise InputError(f"a label is {int(y.min())}", hint="labels count from 0")


def _device(model: nn.Module, x: Tensor) -> torch.device:
    return next(chain(model.parameters(), model.buffers()), x).device
