"""Minimum-norm attacks: for each image the smallest change that succeeds, not any within a given eps."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from dlcli.core.attacks.base import Attack, Bounds, Problem, Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.margin import View, margin, margin_face
from dlcli.core.attacks.minimum_norm_loop import Hunt
from dlcli.core.attacks.norms import NORMS, like_images
from dlcli.core.compute import rng
from dlcli.core.compute.device import at_a_time
from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.support.reporter import Task


@dataclass(frozen=True)
class Nearest:
    """What a minimum-norm attack found for n images.

    `images` (n, ...) are the nearest adversarial images, the clean ones where none was found; `norms` (n,), float64 on the
    CPU, are the lengths of the changes in input units, infinity where none was found and 0 where the clean image is one;
    `success` (n,), on the CPU, says where the network, in the type of the images, errs on the image or gives the target.
    """

    images: Tensor
    norms: Tensor
    success: Tensor


@dataclass(frozen=True)
class MinimumNorm(Attack):
    """An attack that looks for the nearest image that succeeds.

    `nearest` looks as far as the bounds reach; called as any attack, it looks within eps only. An image leaves at its first
    success within eps; with `first` False it takes all steps and keeps its nearest success.
    """

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")
    targeted = True
    least_classes = 2

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
        batch_size: int = 128,
        seed: int = 0,
        task: Task | None = None,
    ) -> Nearest:
        """The nearest adversarial twin of each of the images `x` (n, ...), by `norm` (None: the attack's first).

        All else is as in a call of the attack, the errors too.
        """
        norm = self.norm if norm is None else norm
        found = replace(self, first=False)(
            model,
            x,
            y,
            eps=_widest(norm, x, bounds),
            norm=norm,
            targets=targets,
            bounds=bounds,
            batch_size=batch_size,
            seed=seed,
            task=task,
        )
        success = torch.cat([torch.zeros(0, dtype=torch.bool), *_verdicts(model, found, y, targets, batch_size)])
        found = torch.where(like_images(success.to(x.device), x), found, x.detach())
        lengths = NORMS[norm].length(found.cpu().double() - x.detach().cpu().double()) if len(x) else torch.zeros(0).double()
        return Nearest(found, lengths.masked_fill(~success, torch.inf), success)


@dataclass(frozen=True)
class Hunting(MinimumNorm):
    """A minimum-norm attack that goes from image to image; an entry implements `move`.

    If the attack is `confined`, every image that the network is asked about is brought into the ball first. With `full` it
    takes all steps, and then one of length eps from the clean image, the steepest by the gradient at the nearest one, unless
    that would lose the success.
    """

    confined: ClassVar[bool] = True
    """Whether it is held to the ball on its way; if not, only its successes in the ball count."""

    ends_at_success: ClassVar[bool] = False
    """Whether the attack has nothing more to do once an image succeeds."""

    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Hunt for all images at once."""
        hunt = Hunt(replace(self, first=False) if full else self, problem)
        found = hunt.run()
        return _stretched(problem, found, hunt) if full else found

    @property
    def length(self) -> int:
        """How many moves a run is long at most."""
        return self.steps

    @property
    def surplus(self) -> float:
        """By how much the class that wins must lead for a success, in logits."""
        return 0.0

    @property
    def tries(self) -> int:
        """How many runs each image gets at most, if `aims` does not say."""
        return 1

    def aims(self, problem: Problem, logits: Tensor) -> Tensor | None:
        """The class that each run of each image aims at, (n, runs) on the CPU; None if it aims at none.

        `logits` (n, classes) are those of the clean images.
        """
        return None if problem.targets is None else problem.targets.cpu().long()[:, None].expand(-1, self.tries)

    def start(self, clean: Tensor, threat: Threat, radius: float, restart: int, generator: torch.Generator) -> Tensor:
        """Where a run on one image, `clean` (...) on the CPU, begins; `radius` is the length of its nearest success, or eps.

        `restart` counts from 0 the runs that aim at the same class.
        """
        return clean

    def memory(self, lanes: Lanes, logits: Tensor, threat: Threat) -> Mapping[str, Tensor]:
        """What is remembered of examples that begin, B rows each; `logits` (B, classes) are those of the clean images."""
        return {}

    @abstractmethod
    def move(self, lanes: Lanes, view: View, fooled: Tensor, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One move from `lanes.x`, seen in `view` and successful where `fooled` (B,): the next images and memory.

        The hunt projects the images. Every row is treated by itself.
        """


def _widest(norm: str, x: Tensor, bounds: Bounds) -> float:
    """A length that no change within the bounds exceeds."""
    span = abs(bounds[1] - bounds[0])
    return span if norm == "linf" else span * math.sqrt(max(1, x[0].numel() if len(x) else 1))


@torch.no_grad()
def _verdicts(model: nn.Module, found: Tensor, y: Tensor, targets: Tensor | None, batch_size: int) -> list[Tensor]:
    """Batch by batch, where `found` is a success, on the CPU."""
    done = []
    with in_mode(model), rng.preserved():
        device = next(iter([*model.parameters(), *model.buffers()]), found).device
        for place in torch.split(torch.arange(len(found)), at_a_time(batch_size, found, device)):
            decision = logits_of(model, found[place].to(device)).argmax(1).cpu()
            wanted = decision != y[place].cpu() if targets is None else decision == targets[place].cpu()
            done.append(wanted)
    return done


def _stretched(problem: Problem, found: Tensor, hunt: Hunt) -> Tensor:
    """A step of eps for each image along the steepest way at what was found, kept if it does not lose a success."""
    done = []
    for place in torch.split(torch.arange(len(found)), problem.batch_size):
        near, clean = found[place].to(problem.device), problem.x[place].to(problem.device)
        label = problem.y[place].to(problem.device).long()
        aim = None if problem.targets is None else problem.targets[place].to(problem.device).long()
        face = margin_face(View(problem.model, near, hunt.way), label, aim)
        threat = problem.threat
        far = threat.held(clean + threat.eps * threat.measure.steepest(face.gradient), clean)
        with torch.no_grad():
            lost = margin(logits_of(problem.model, far), label, aim) <= 0
        lost &= face.lead > 0
        done.append(torch.where(like_images(lost, clean), near, far).to(problem.x.device))
    return torch.cat(done)
