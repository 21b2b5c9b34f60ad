"""Minimum-norm attacks: for each image the smallest change that succeeds, rather than any within a given eps."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from typing_extensions import override

from dlcli.core.attacks.base import BATCH_SIZE, Attack, Bounds, Problem, check_count
from dlcli.core.attacks.decisions import is_adversarial
from dlcli.core.attacks.margin import ForwardPass, margin, margin_boundary
from dlcli.core.attacks.minimum_norm_loop import MinimumNormLoop, MinimumNormSteps
from dlcli.core.attacks.norms import NORMS, like_images
from dlcli.core.compute import rng
from dlcli.core.compute.batches import FittingParts
from dlcli.core.compute.device import at_a_time, send
from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.numeric_checks import deferred_checks
from dlcli.core.compute.precision import float32_precision
from dlcli.support.reporter import Task


@dataclass(frozen=True)
class MinimumNormResult:
    """What a minimum-norm attack found for n images.

    `images` (n, ...) are the nearest adversarial images, the clean ones where none was found. `norms` (n,), float64 on the
    CPU, are the lengths of the changes in input units: infinity where none was found, 0 where the clean image is adversarial.
    `success` (n,), on the CPU, is where the network, in the type of the images, misclassifies or predicts the target.
    """

    images: Tensor
    norms: Tensor
    success: Tensor


@dataclass(frozen=True)
class MinimumNorm(Attack):
    """An attack that searches for the nearest adversarial image.

    `nearest` searches as far as the bounds reach; called like any attack, it searches within eps only. An image is done at
    its first success within eps; with `first` False it takes all steps and keeps its nearest success.
    """

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")
    targeted = True
    min_classes = 2

    steps: int = 100
    first: bool = True

    def __post_init__(self) -> None:
        check_count("steps", self.steps)

    @final
    def nearest(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        norm: str | None = None,
        targets: Tensor | None = None,
        bounds: Bounds = (0.0, 1.0),
        batch_size: int = BATCH_SIZE,
        seed: int = 0,
        first: int | Tensor = 0,
        task: Task | None = None,
    ) -> MinimumNormResult:
        """Search for the nearest adversarial example of each image, without a limit on its distance.

        Args:
            model: Maps images to logits (n, classes); attacked in evaluation mode on its own device.
            x: Images (n, ...) of a floating type within `bounds`.
            y: Labels (n,), integers.
            norm: The norm that is minimised; None for the attack's first.
            targets: Classes (n,) to be predicted instead of any but the label.
            bounds: The lowest and highest value of an image.
            batch_size: How many images are attacked at a time.
            seed: The seed of all random numbers.
            first: The place of the first image in the whole set, or the places of all, (n,).
            task: Is advanced by one per image.

        Returns:
            The images, their distances and whether each is adversarial.

        Raises:
            UsageError: A setting, the norm or targets that the attack does not support.
            InputError: Images, labels, targets, or a model that does not fit them.
            NumericError: Logits or gradients that are not finite.
        """
        norm = self.norm if norm is None else norm
        found = replace(self, first=False)(
            model,
            x,
            y,
            eps=_longest_change(norm, x, bounds),
            norm=norm,
            targets=targets,
            bounds=bounds,
            batch_size=batch_size,
            seed=seed,
            first=first,
            task=task,
        )
        success = torch.cat([torch.zeros(0, dtype=torch.bool), *_successes(model, found, y, targets, batch_size)])
        found = torch.where(like_images(success.to(x.device), x), found, x.detach())
        lengths = NORMS[norm].length(found.cpu().double() - x.detach().cpu().double()) if len(x) else torch.zeros(0).double()
        return MinimumNormResult(found, lengths.masked_fill(~success, torch.inf), success)


@dataclass(frozen=True)
class GradientMinimumNorm(MinimumNorm, MinimumNormSteps):
    """A minimum-norm attack that steps from image to image along gradients; an entry implements `step`."""

    @override
    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Attack all images in the loop, and with `full` use all of eps afterwards."""
        loop = MinimumNormLoop(replace(self, first=False) if full else self, problem)
        found = loop.run()
        return _extended_to_eps(problem, found, loop) if full else found

    @property
    def max_steps(self) -> int:
        """The setting `steps`."""
        return self.steps


def _longest_change(norm: str, x: Tensor, bounds: Bounds) -> float:
    """A length that no change within the bounds exceeds."""
    span, values = abs(bounds[1] - bounds[0]), max(1, x[0].numel() if len(x) else 1)
    return span * {"linf": 1.0, "l2": math.sqrt(values)}.get(norm, float(values))


@torch.no_grad()
def _successes(model: nn.Module, found: Tensor, y: Tensor, targets: Tensor | None, batch_size: int) -> list[Tensor]:
    """Part by part, where `found` is adversarial, on the CPU."""
    device = next(iter([*model.parameters(), *model.buffers()]), found).device

    def success(begin: int, end: int) -> Tensor:
        logits = logits_of(model, send(found[begin:end], device)).cpu()
        return is_adversarial(logits, y[begin:end].cpu(), None if targets is None else targets[begin:end].cpu())

    with float32_precision("ieee"), in_mode(model), rng.preserved(), deferred_checks():
        return list(FittingParts(at_a_time(batch_size, found, device), device).map(success, len(found)))


def _extended_to_eps(problem: Problem, found: Tensor, loop: MinimumNormLoop) -> Tensor:
    """The images after one step of eps along the steepest ascent of the margin, unless the step loses a success."""
    threat = problem.threat

    def extended(begin: int, end: int) -> Tensor:
        near, clean, label = (send(given[begin:end], problem.device) for given in (found, problem.x, problem.y))
        label = label.long()
        target_class = None if problem.targets is None else send(problem.targets[begin:end], problem.device).long()
        boundary = margin_boundary(ForwardPass(problem.model, near, loop.mode), label, target_class)
        far = threat.project(clean + threat.step(clean, boundary.gradient, threat.eps), clean)
        with torch.no_grad():
            lost = margin(logits_of(problem.model, far), label, target_class) <= 0
        lost &= boundary.margin > 0
        return torch.where(like_images(lost, clean), near, far).to(problem.x.device)

    return torch.cat(list(problem.parts.map(extended, len(found))))
