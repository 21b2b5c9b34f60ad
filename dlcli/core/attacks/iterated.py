"""Attacks of many steps: what one is, said in a few methods; the loop over steps is that of the pool."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Attack, Problem, Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.gradient import Slope
from dlcli.core.attacks.losses import cross_entropy
from dlcli.core.attacks.pool import Pool
from dlcli.support.errors import UsageError

PRECISIONS = ("fast", "float32")


@dataclass(frozen=True)
class Iterated(Attack):
    """An attack that takes `steps` steps up a loss, each from the gradient at the image of the step before.

    An entry implements `move`, and whatever of the other methods it does differently. Each treats its rows one by one,
    for an example's steps must not depend on which others share its batch. With `precision` "fast" the steps are computed
    in bfloat16 where the device does so natively; whether an image fools the network is judged in float32 always.
    """

    norms = ("linf", "l2")
    targeted = True

    steps: int = 40
    precision: str = "fast"

    remembers_best: ClassVar[bool] = False
    """Whether `finish` looks at the loss of the last image, which costs a forward pass more."""

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        if self.precision not in PRECISIONS:
            raise UsageError(f"precision '{self.precision}' is not one of {', '.join(PRECISIONS)}")

    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Run the pool over all images."""
        return Pool(self, problem, full=full).run()

    @property
    def tries(self) -> int:
        """How many runs each image gets at most, if `aims` does not say."""
        return 1

    def aims(self, problem: Problem, logits: Tensor | None) -> Tensor | None:
        """The class that each run of each image aims at, (n, runs) on the CPU; None if it aims at none.

        `logits` (n, classes) are those of the clean images, None unless `ranks_classes`.
        """
        return None if problem.targets is None else problem.targets.cpu().long()[:, None].expand(-1, self.tries)

    ranks_classes: ClassVar[bool] = False
    """Whether `aims` needs the logits of the clean images."""

    def start(self, clean: Tensor, threat: Threat, generator: torch.Generator) -> Tensor:
        """Where a run on one image, `clean` (...) on the CPU, begins; the pool projects it."""
        return clean

    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """What is remembered of examples that begin at `x` (n, ...), n rows each."""
        return {}

    def loss(self, logits: Tensor, label: Tensor, aim: Tensor | None) -> Tensor:
        """What the steps raise, for each example, (n,)."""
        return cross_entropy(logits, label, aim)

    @abstractmethod
    def move(self, lanes: Lanes, slope: Slope, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One step from `lanes.x`, where the loss has this slope: the next images, which the pool projects, and memory."""

    def finish(self, lanes: Lanes, loss: Tensor) -> tuple[Tensor, Tensor]:
        """The images that unsuccessful or full runs end with and their losses, given the loss (n,) at `lanes.x`."""
        return lanes.x, loss


@dataclass(frozen=True)
class FixedStep(Iterated):
    """An attack whose steps are all of one length: `step_size` in input units, by default `reach` * eps / steps."""

    step_size: float | None = None

    reach: ClassVar[float] = 1.0
    """How many times eps the steps are long together, by default."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_size is not None and not 0 < self.step_size < float("inf"):
            raise UsageError(f"step_size is {self.step_size}", hint="give a number above 0, in input units")

    def step_of(self, eps: float) -> float:
        """The length of a step, in input units."""
        return self.reach * eps / self.steps if self.step_size is None else self.step_size


def check_count(name: str, value: int) -> None:
    """Raise UsageError unless `value` is a whole number from 1 up."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name} is {value}", hint="give a whole number from 1 up")
