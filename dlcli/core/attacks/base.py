"""The base classes of all attacks: they check the input, call the attack and project its result."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor, nn

from dlcli.core.attacks.norms import NORMS, Norm
from dlcli.core.compute import rng
from dlcli.core.compute.batches import FittingParts
from dlcli.core.compute.device import at_a_time, send
from dlcli.core.compute.forward import in_mode, logits_of, shape_of, type_of
from dlcli.core.compute.numeric_checks import deferred_checks
from dlcli.core.compute.precision import float32_precision
from dlcli.support.errors import InputError, NumericError, UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Task
from dlcli.support.seeds import derive
from dlcli.support.suggest import did_you_mean

Bounds = tuple[float, float]

BATCH_SIZE = 128
"""How many images are attacked at a time, unless the caller chooses."""

RowGenerators = Callable[[int], torch.Generator]
"""Makes the generator of row k, which is the only source of that row's random numbers."""


@dataclass(frozen=True)
class ThreatModel:
    """What an attacker may do: change an image by at most `eps` in the norm called `norm`, within `bounds`."""

    norm: str
    eps: float
    bounds: Bounds

    @property
    def measure(self) -> Norm:
        """The functions of the norm."""
        return NORMS[self.norm]

    def project(self, found: Tensor, x: Tensor) -> Tensor:
        """`found` (n, ...) projected into the ball about `x` and clamped to the bounds; a point inside stays exactly."""
        return self.measure.project(found, x, self.eps, self.bounds)

    def step(self, x: Tensor, gradient: Tensor, length: float | Tensor) -> Tensor:
        """The change of `length`, along which a linear function with this `gradient` (n, ...) at `x` increases most."""
        return self.measure.step(x, gradient, length, self.bounds)


@dataclass(frozen=True)
class Problem:
    """The input of an attack.

    `model` is in evaluation mode on `device` and its parameters need no gradient. The images are `x` (n, ...), n at least
    1, with labels `y` (n,); `targets` (n,) are the classes to be predicted, None for any but the label. These three may be
    on another device than the network. `parts` splits what is passed through the network at a time. `places` (n,), int64 on
    the CPU, are where the images stand in the whole set: with `seed` they fix all random numbers, so that an image is attacked
    alike whatever it stands beside.
    """

    model: nn.Module
    device: torch.device
    threat: ThreatModel
    x: Tensor
    y: Tensor
    targets: Tensor | None
    parts: FittingParts
    places: Tensor
    seed: int
    task: Task | None

    def generator(self, use: str, index: int, *more: int) -> torch.Generator:
        """The source of the random numbers of the image at `index` for one use of them."""
        return rng.generator(derive(self.seed, use, int(self.places[index]), *more))

    @property
    def batch_size(self) -> int:
        """How many images are attacked at a time: as many as were asked for, or as fit in memory."""
        return self.parts.size

    def advance(self, images: int) -> None:
        """Report images as done."""
        if self.task is not None:
            self.task.advance(images)

    def show_step(self, step: int, of: int) -> None:
        """Report how far the furthest of the images under way is: those that resist take all steps, and advance at the end."""
        if self.task is not None:
            self.task.set_status(f"step {step:,} of {of:,}")


@dataclass(frozen=True)
class Attack(ABC):
    """A method that changes images by at most eps so that a network misclassifies them.

    Callers call the attack itself. It checks the input, projects the result into the eps ball and the bounds, and leaves
    the model and all random states as found. An entry of the registry is a `SingleStep` with a `run`, or an `IterativeAttack`
    with a `step`.
    """

    norms: ClassVar[tuple[str, ...]] = ("linf",)
    """The norms it supports, keys of `NORMS`; the first is the default."""

    targeted: ClassVar[bool] = False
    """Whether it supports target classes."""

    min_classes: ClassVar[int] = 1
    """The smallest number of classes of a network that it can attack."""

    knowledge: ClassVar[str] = "gradients"
    """What it uses of the model: "gradients", "scores" (logits), "labels" (the decision alone) or "nothing"."""

    raises_cross_entropy: ClassVar[bool] = False
    """Whether all it does is to increase the cross-entropy, in place of which it can increase any other value then."""

    @property
    def name(self) -> str:
        """The name on the command line, which is that of its file."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    @property
    def norm(self) -> str:
        """The default norm."""
        return self.norms[0]

    def with_options(self, **options: Any) -> Self:
        """A copy of the attack with other settings, such as steps=100; None keeps a setting.

        Raises UsageError if the attack has no such setting or does not accept the value.
        """
        given = {name: value for name, value in options.items() if value is not None}
        known = [field.name for field in fields(self)]
        for name in given:
            if name not in known:
                hint = did_you_mean(name, known) if known else "it has no settings"
                raise UsageError(f"the attack {self.name} has no setting `{name}`", hint=hint)
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
        batch_size: int = BATCH_SIZE,
        seed: int = 0,
        first: int | Tensor = 0,
        task: Task | None = None,
    ) -> Tensor:
        """Make adversarial examples.

        Args:
            model: Maps images to logits (n, classes); attacked in evaluation mode on its own device.
            x: Images (n, ...) of a floating type within `bounds`.
            y: Labels (n,), integers; or one for each place of an image, (n, h, w), of a network whose logits are in a row as
                `PlacesInARow` gives them, for attacks that only raise the cross-entropy. Then all steps are taken.
            eps: The largest change, in the units of `x`.
            norm: The norm of the change; None for the attack's first.
            targets: Classes (n,), integers: image k shall be classified as targets[k]; None for any class but y[k].
            full: Take all steps for every image, as transfer to another network and adversarial training need. By default
                an image is done at its first success, which is all that robust accuracy depends on.
            bounds: The lowest and highest value of an image.
            batch_size: How many images are attacked at a time.
            seed: The seed of all random numbers.
            first: The place of the first image in the whole set, or the places of all, (n,): the random numbers of an image
                depend on its place and the seed, so that parts of a set are attacked as the whole is. What may differ are the
                last bits of a network's products, which libraries round otherwise for batches of a few images.
            task: Is advanced by one per image.

        Returns:
            The images, in the shape, type and device of `x`, within `eps` and `bounds`.

        Raises:
            UsageError: `eps`, `bounds` or `batch_size` out of range; a norm or targets that the attack does not support.
            InputError: Images, labels, targets, or a model that does not fit them.
            NumericError: Logits or gradients that are not finite.
        """
        norm = self.norm if norm is None else norm
        _check_options(eps, bounds, batch_size)
        self._check_abilities(norm, targets)
        _check_images(x, bounds)
        self._check_labels(y, x)
        if len(x) == 0:
            return x.clone()
        _check_targets(targets, y)
        places = _places(first, len(x))
        device, threat = _device(model, x), ThreatModel(norm, eps, bounds)
        batch_size = at_a_time(batch_size, x, device)
        with float32_precision("ieee"), _frozen(model), rng.preserved(), torch.enable_grad(), deferred_checks():
            logits = logits_of(model, send(x[:1], device), classes=int(y.max()) + 1 if y.dim() == 1 else 1)
            self._check_outputs(logits.shape[1], targets)
            parts = FittingParts(batch_size, device)
            problem = Problem(model, device, threat, x.detach(), y, targets, parts, places, seed, task)
            found = self.craft(problem, full=full or y.dim() > 1)
        pairs = zip(torch.split(found.detach(), batch_size), torch.split(x.detach(), batch_size), strict=True)
        projected = torch.cat([threat.project(changed, images) for changed, images in pairs])
        if not bool(torch.isfinite(projected).all()):
            raise NumericError("the attack left NaN or infinity in the images")
        return projected

    @abstractmethod
    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Attack all images; the result has the shape, type and device of `problem.x`, and the caller projects it."""

    def _check_abilities(self, norm: str, targets: Tensor | None) -> None:
        if norm not in self.norms:
            raise UsageError(
                f"the attack {self.name} does not support the norm '{norm}'", hint=f"use {' or '.join(self.norms)}"
            )
        if targets is not None and not self.targeted:
            raise UsageError(f"the attack {self.name} does not support targets", hint="use pgd, or drop the targets")

    def _check_labels(self, y: Tensor, x: Tensor) -> None:
        if y.dim() < 2:
            _check_classes(y, len(x), "label")
        elif not self.raises_cross_entropy and self.knowledge != "nothing":
            raise UsageError(f"the attack {self.name} needs one label per image", hint="use pgd or apgd-ce")
        elif y.is_floating_point() or y.shape != (len(x), *x.shape[2:]):
            seen = f"the labels are {shape_of(y)} of {type_of(y)} for images {shape_of(x)}"
            raise InputError(seen, hint="expected an integer for each place of an image")

    def _check_outputs(self, outputs: int, targets: Tensor | None) -> None:
        if outputs < self.min_classes:
            seen = f"the attack {self.name} needs {self.min_classes} classes, the model has {outputs}"
            raise InputError(seen, hint="use apgd-ce or pgd")
        if targets is not None and int(targets.max()) >= outputs:
            seen = f"a target is {int(targets.max())}, but the model has {count(outputs, 'output')}"
            raise InputError(seen, hint="classes count from 0, as labels do")


@dataclass(frozen=True)
class SingleStep(Attack):
    """An attack that changes each image once; an entry implements `run` for one batch."""

    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Batch by batch; there is only one step, so `full` changes nothing."""
        device = problem.device

        def run(begin: int, end: int) -> Tensor:
            # Copies, for `run` may change what it is given.
            images, labels = (send(given[begin:end].clone(), device) for given in (problem.x, problem.y))
            targets = None if problem.targets is None else send(problem.targets[begin:end], device)
            found = self.run(
                problem.model,
                images,
                labels,
                targets,
                threat=problem.threat,
                generators=lambda k: problem.generator("step", begin + k),
            )
            images = found.detach().to(problem.x.device)
            problem.advance(end - begin)
            return images

        return torch.cat(list(problem.parts.map(run, len(problem.x))))

    @abstractmethod
    def run(
        self, model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None, *, threat: ThreatModel, generators: RowGenerators
    ) -> Tensor:
        """Attack one batch.

        Args:
            model: The network, in evaluation mode; its parameters need no gradient.
            x: Images (n, ...) on the model's device.
            y: Labels (n,), there too.
            targets: Target classes (n,), there too, or None.
            threat: The threat model.
            generators: Makes the only source of random numbers of each image, on the CPU.

        Returns:
            The changed images (n, ...), which the caller projects.
        """


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients for parameters inside the block; the state from before after it."""
    parameters = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    with in_mode(model):
        try:
            for parameter, _ in parameters:  # one by one, which TorchScript allows too
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter, required in parameters:
                parameter.requires_grad_(required)


def check_count(name: str, value: int) -> None:
    """Raise UsageError unless the setting `name` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"`{name}` is {value}", hint="give an integer of at least 1")


def _check_options(eps: float, bounds: Bounds, batch_size: int) -> None:
    if not (math.isfinite(eps) and eps >= 0):
        raise UsageError(f"`eps` must be at least 0, not {eps}", hint="give it in input units")
    if not bounds[0] < bounds[1]:
        raise UsageError(f"`bounds` must be (low, high) with low below high, not {bounds}", hint="such as (0.0, 1.0)")
    if batch_size < 1:
        raise UsageError(f"`batch_size` is {batch_size}", hint="give an integer of at least 1")


def _check_images(x: Tensor, bounds: Bounds) -> None:
    low, high = bounds
    if not x.is_floating_point():
        raise InputError(
            f"the images are {type_of(x)}", hint=f"convert them to a floating type with values between {low:g} and {high:g}"
        )
    if x.numel() == 0:
        return
    least, greatest = float(x.min()), float(x.max())
    if math.isnan(least):
        raise InputError("the images contain NaN", hint="fix or drop these images")
    if least < low or greatest > high:
        seen = f"the images range from {least:g} to {greatest:g}, outside the bounds {low:g} to {high:g}"
        raise InputError(seen, hint="scale them (bytes: divide by 255), and put the normalisation inside the model")


def _check_classes(y: Tensor, n: int, what: str) -> None:
    if y.is_floating_point() or y.dtype == torch.bool or y.shape != (n,):
        seen = f"the {what}s are {shape_of(y)} of {type_of(y)} for {count(n, 'image')}"
        raise InputError(seen, hint="expected one integer per image, counted from 0")
    if n and int(y.min()) < 0:
        raise InputError(f"a {what} is {int(y.min())}", hint=f"{what}s count from 0")


def _check_targets(targets: Tensor | None, y: Tensor) -> None:
    if targets is None:
        return
    _check_classes(targets, len(y), "target")
    same = (targets.to(y.device) == y).nonzero()
    if len(same):
        k = int(same[0])
        raise InputError(f"the target of image {k} is its own label, {int(y[k])}", hint="choose another class")


def _places(first: int | Tensor, n: int) -> Tensor:
    if isinstance(first, Tensor):
        _check_classes(first, n, "place")
        return first.to("cpu", torch.int64)
    if first < 0:
        raise UsageError(f"`first` is {first}", hint="places count from 0")
    return torch.arange(first, first + n)


def _device(model: nn.Module, x: Tensor) -> torch.device:
    return next(chain(model.parameters(), model.buffers()), x).device
