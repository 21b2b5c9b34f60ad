"""Base classes of attacks that take many steps up a loss, in the loop of pool.py."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import Attack, Problem, RowGenerators, ThreatModel, check_count
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.gradient import LossGradient
from dlcli.core.attacks.pool import IterativeSteps, NextStep, Pool
from dlcli.core.compute.device import send
from dlcli.support.errors import UsageError

PRECISIONS = ("fast", "float32")
"""In which type the steps are computed: fast is bfloat16 where the device computes in it natively."""


@dataclass(frozen=True)
class IterativeAttack(Attack, IterativeSteps):
    """An attack that takes `steps` steps up a loss, each along the gradient at the image of the step before.

    An entry implements `step`, and overrides the other methods of `IterativeSteps` where it differs. `precision` is that of
    the steps; whether an image is adversarial is always decided in the type of the images.
    """

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2")
    targeted = True

    steps: int = 40
    precision: str = "fast"

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        if self.precision not in PRECISIONS:
            raise UsageError(f"`precision` must be one of {', '.join(PRECISIONS)}, not '{self.precision}'")

    @override
    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Run the pool over all images."""
        return Pool(self, problem, full=full).run()


@dataclass(frozen=True)
class FixedStep(IterativeAttack):
    """Steps of one length: `step_size` in input units, by default `total_step_factor` * eps / steps."""

    step_size: float | None = None

    total_step_factor: ClassVar[float] = 1.0
    """The length of all steps together in units of eps, by default."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_size is not None and not 0 < self.step_size < float("inf"):
            raise UsageError(f"`step_size` must be above 0, not {self.step_size}", hint="give it in input units")

    def length_of_step(self, eps: float) -> float:
        """The length of a step, in input units."""
        return self.total_step_factor * eps / self.steps if self.step_size is None else self.step_size

    @override
    def step(self, batch: ActiveBatch, at_x: LossGradient, threat: ThreatModel) -> NextStep:
        """One step of fixed length along the steepest ascent of the norm."""
        x = batch.x + threat.step(batch.x, at_x.gradient, self.length_of_step(threat.eps))
        return NextStep(x, batch.memory)


@dataclass(frozen=True)
class RandomStarts(IterativeAttack):
    """Up to `restarts` runs per image, each from a point drawn uniformly from the ball."""

    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("restarts", self.restarts)

    @override
    def start(self, clean: Tensor, threat: ThreatModel, generators: RowGenerators) -> Tensor:
        """Random points of the ball."""
        return random_points(clean, threat, generators)


def random_points(clean: Tensor, threat: ThreatModel, generators: RowGenerators) -> Tensor:
    """A point drawn uniformly from the eps ball about each of the images `clean` (n, ...); it may be out of bounds."""
    # Drawn on the CPU, so that the points are the same for every device.
    drawn = [threat.measure.draw(clean.shape[1:], generators(k)).to(clean.dtype) for k in range(len(clean))]
    return clean + threat.eps * send(torch.stack(drawn), clean.device)
