"""What all attacks share: what is checked before, and what is promised after."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor, nn

from dlcli.core.attacks.norms import NORMS, Norm
from dlcli.core.compute import rng
from dlcli.core.compute.device import at_a_time
from dlcli.core.compute.forward import in_mode, logits_of, shape_of, type_of
from dlcli.support.errors import InputError, NumericError, UsageError
from dlcli.support.reporter import Task

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Threat:
    """What may be done to an image: a change of at most `eps` in the norm called `norm` that stays within `bounds`."""

    norm: str
    eps: float
    bounds: Bounds

    @property
    def measure(self) -> Norm:
        """The norm itself."""
        return NORMS[self.norm]

    def held(self, found: Tensor, x: Tensor) -> Tensor:
        """`found` (n, ...) brought into the ball about `x` and into the bounds; what is there already stays, to the bit."""
        return self.measure.project(found, x, self.eps).clamp(*self.bounds)


@dataclass(frozen=True)
class Problem:
    """All that an attack is given.

    `model` is in evaluation mode on `device` and its parameters need no gradient. The images are `x` (n, ...), n at least
    1, of labels `y` (n,); `targets` (n,) are the classes to reach, None for any but the label. These three
    may be on another device than the network. `seed` fixes all randomness.
    """

    model: nn.Module
    device: torch.device
    threat: Threat
    x: Tensor
    y: Tensor
    targets: Tensor | None
    batch_size: int
    seed: int
    task: Task | None

    def advance(self, images: int) -> None:
        """Count images as done."""
        if self.task is not None:
            self.task.advance(images)


@dataclass(frozen=True)
class Attack(ABC):
    """A way to change images so that a network errs, none of them by more than eps.

    Callers call the attack itself, which checks the input, holds the result to the eps ball and to the bounds, and leaves
    the model and all random states as found. An entry of the registry is a `SingleStep` with a `run`, or an `Iterated`
    with a `move`.
    """

    norms: ClassVar[tuple[str, ...]] = ("linf",)
    """The norms that eps can be measured in, keys of `NORMS`; the first is the usual one."""

    targeted: ClassVar[bool] = False
    """Whether it can be told which classes to reach."""

    least_classes: ClassVar[int] = 1
    """How many classes the network must tell apart."""

    knowledge: ClassVar[str] = "gradients"
    """What it asks the model for: "gradients", "scores" (logits), "labels" (the decision alone) or "nothing"."""

    @property
    def name(self) -> str:
        """As on the command line: that of its file."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    @property
    def norm(self) -> str:
        """The norm in force if none is named."""
        return self.norms[0]

    def with_options(self, **options: Any) -> Self:
        """The same attack with other settings, such as steps=100; None leaves one as it is.

        Raises UsageError if the attack has no such setting or cannot take the value.
        """
        given = {name: value for name, value in options.items() if value is not None}
        known = [field.name for field in fields(self)]
        for name in given:
            if name not in known:
                hint = f"it has {', '.join(known)}" if known else "it has no settings"
                raise UsageError(f"the attack {self.name} has no {name}", hint=hint)
        return replace(self, **given)

    @final
    def __call__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        eps: float,
        norm: str | None = None,
        targets: Tensor | None = None,
        full: bool = False,
        bounds: Bounds = (0.0, 1.0),
        batch_size: int = 128,
        seed: int = 0,
        task: Task | None = None,
    ) -> Tensor:
        """Adversarial twins of the images `x` (n, ...), a floating type within `bounds`, of labels `y` (n,), integers.

        `model` maps images to logits (n, classes) and is attacked in evaluation mode on its own device. The result has
        the shape, type and device of `x`; it differs from `x` by at most `eps` (in the units of `x`, by `norm`, None for
        the attack's first) and stays within `bounds`. With `targets` (n,), integers, image k is to be taken for class
        targets[k], else for any but y[k]. An attack of several steps stops at an image's first success, which is what
        robustness asks; `full` makes it take all steps for every image, as transfer to another network and adversarial
        training want. `seed` fixes all randomness. `task` is advanced by one for each image.

        Raises UsageError (eps, bounds, batch_size; a norm or targets that the attack does not know), InputError (images,
        labels, targets, a model that does not fit them) or NumericError (logits or gradients that are not finite).
        """
        norm = self.norm if norm is None else norm
        _check_options(eps, bounds, batch_size)
        self._check_abilities(norm, targets)
        _check_images(x, bounds)
        _check_classes(y, len(x), "label")
        if len(x) == 0:
            return x.clone()
        _check_targets(targets, y)
        device, threat = _device(model, x), Threat(norm, eps, bounds)
        batch_size = at_a_time(batch_size, x, device)
        with _borrowed(model), rng.preserved(), torch.enable_grad():
            logits = logits_of(model, x[:1].to(device), classes=int(y.max()) + 1)
            self._check_outputs(logits.shape[1], targets)
            found = self.craft(Problem(model, device, threat, x.detach(), y, targets, batch_size, seed, task), full=full)
        pairs = zip(torch.split(found.detach(), batch_size), torch.split(x.detach(), batch_size), strict=True)
        held = torch.cat([threat.held(changed, images) for changed, images in pairs])
        if not bool(torch.isfinite(held).all()):
            raise NumericError("the attack left NaN or infinity in the images")
        return held

    @abstractmethod
    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Attack all images; the result has the shape, type and device of `problem.x`, and the caller projects it."""

    def _check_abilities(self, norm: str, targets: Tensor | None) -> None:
        if norm not in self.norms:
            raise UsageError(f"the attack {self.name} has no norm '{norm}'", hint=f"it has {', '.join(self.norms)}")
        if targets is not None and not self.targeted:
            raise UsageError(f"the attack {self.name} cannot be given targets", hint="use pgd, or leave the targets out")

    def _check_outputs(self, outputs: int, targets: Tensor | None) -> None:
        if outputs < self.least_classes:
            seen = f"the attack {self.name} needs {self.least_classes} classes, the model has {outputs}"
            raise InputError(seen, hint="use apgd-ce or pgd")
        if targets is not None and int(targets.max()) >= outputs:
            seen = f"a target is {int(targets.max())}, but the model has {outputs} outputs"
            raise InputError(seen, hint="targets count from 0, as labels do")


@dataclass(frozen=True)
class SingleStep(Attack):
    """An attack that changes each image once: an entry implements `run` for one batch."""

    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Batch by batch; there is nothing to cut short, so `full` changes nothing."""
        generator, device = rng.generator(problem.seed), problem.device
        done = []
        for place in torch.split(torch.arange(len(problem.x)), problem.batch_size):
            images, labels = problem.x[place].to(device), problem.y[place].to(device)
            targets = None if problem.targets is None else problem.targets[place].to(device)
            found = self.run(problem.model, images, labels, targets, threat=problem.threat, generator=generator)
            done.append(found.detach().to(problem.x.device))
            problem.advance(len(images))
        return torch.cat(done)

    @abstractmethod
    def run(
        self, model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None, *, threat: Threat, generator: torch.Generator
    ) -> Tensor:
        """Attack one batch: images `x` (n, ...), labels `y` (n,) and perhaps targets (n,) on the model's device.

        The model is in evaluation mode and its parameters need no gradient. Randomness comes from `generator` (on the
        CPU) only, drawn image by image so that the size of batches does not matter. The caller projects the result.
        """


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


def _check_classes(y: Tensor, n: int, what: str) -> None:
    if y.is_floating_point() or y.dtype == torch.bool or y.shape != (n,):
        seen = f"the {what}s are {shape_of(y)} of {type_of(y)} for {n} images"
        raise InputError(seen, hint="give one whole number per image, counted from 0")
    if n and int(y.min()) < 0:
        raise InputError(f"a {what} is {int(y.min())}", hint=f"{what}s count from 0")


def _check_targets(targets: Tensor | None, y: Tensor) -> None:
    if targets is None:
        return
    _check_classes(targets, len(y), "target")
    same = (targets.to(y.device) == y).nonzero()
    if len(same):
        k = int(same[0])
        raise InputError(f"the target of image {k} is its own label, {int(y[k])}", hint="give another class to reach")


def _device(model: nn.Module, x: Tensor) -> torch.device:
    return next(chain(model.parameters(), model.buffers()), x).device
