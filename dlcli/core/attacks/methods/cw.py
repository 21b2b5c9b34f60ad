"""The attack of Carlini & Wagner 2017 (arXiv 1608.04644, section V-A, the objective f6 and the search of section VI-A)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import Bounds, ThreatModel, check_count
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.margin import ForwardPass, margin
from dlcli.core.attacks.minimum_norm import GradientMinimumNorm
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.pool import NextStep
from dlcli.core.compute.device import send
from dlcli.support.errors import UsageError

# Values are scaled by this factor before atanh, which is infinite at the bounds.
_SHRINK = 0.999
# Adam's constants (Kingma & Ba 2015, arXiv 1412.6980, algorithm 1).
_BETA1, _BETA2, _ADAM_EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class CW(GradientMinimumNorm):
    """Adam on the squared l2 norm of the change plus c times the amount by which the margin is below `kappa`.

    The image is the tanh of free variables, so it stays within the bounds. A binary search of `searches` rounds of `steps`
    steps finds the smallest c that suffices. Lengths are in units of the range of values. The authors take 10,000 steps at a
    learning rate of 0.01. At the bounds tanh is flat, and a few hundred such steps change nothing there, so a short search
    needs the larger rate.
    """

    norms = ("l2",)

    steps: int = 100
    searches: int = 9
    learning_rate: float = 0.1
    kappa: float = 0.0
    first_weight: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("searches", self.searches)
        for name, value in (("learning_rate", self.learning_rate), ("first_weight", self.first_weight)):
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"`{name}` is {value}", hint="give a number above 0")
        if not (math.isfinite(self.kappa) and self.kappa >= 0):
            raise UsageError(f"`kappa` must be at least 0, not {self.kappa}", hint="it is a margin in logits")

    @property
    def max_steps(self) -> int:
        """The steps of all rounds; the last step of a round leads to the first image of the next."""
        return self.searches * self.steps - 1

    @property
    def min_margin(self) -> float:
        """The setting `kappa`."""
        return self.kappa

    @override
    def memory(self, batch: ActiveBatch, logits: Tensor, threat: ThreatModel) -> Mapping[str, Tensor]:
        """The free variables, Adam's moments, c with its bounds, and whether the round had a success."""
        weight = batch.x.new_full((len(batch),), self.first_weight)
        return {
            "free": _free(batch.clean, threat.bounds),
            "mean": torch.zeros_like(batch.x),
            "square": torch.zeros_like(batch.x),
            "weight": weight,
            "low": torch.zeros_like(weight),
            "high": torch.full_like(weight, torch.inf),
            "succeeded": torch.zeros_like(batch.label, dtype=torch.bool),
        }

    @override
    def step(self, batch: ActiveBatch, forward: ForwardPass, success: Tensor, threat: ThreatModel) -> NextStep:
        """One step of Adam, or at the end of a round the clean image and the next c."""
        memory = {**batch.memory, "succeeded": batch.memory["succeeded"] | success}
        after = {**memory, **self._adam(batch, self._gradient(batch, forward, threat.bounds))}
        ends_round = (batch.step + 1) % self.steps == 0
        if bool(ends_round.any()):
            over = send(ends_round, batch.x.device)
            fresh = {**self.memory(batch, forward.logits, threat), **_next_weight(memory)}
            after = {name: torch.where(like_images(over, kept), fresh[name], kept) for name, kept in after.items()}
        return NextStep(_image(after["free"], batch.clean, threat.bounds), after)

    def _gradient(self, batch: ActiveBatch, forward: ForwardPass, bounds: Bounds) -> Tensor:
        """The gradient of the objective w.r.t. the free variables."""
        target_class, free = batch.target_class, batch.memory["free"]
        at_x = forward.gradient(lambda logits: margin(logits, batch.label, target_class))
        half = (bounds[1] - bounds[0]) / 2
        below = (at_x.loss < self.kappa) | ((at_x.loss == self.kappa) & (self.kappa == 0))
        pull = like_images(batch.memory["weight"] * below, free) * at_x.gradient * (2 * half)
        change = (_image(free, batch.clean, bounds) - batch.clean) / (2 * half)
        return (2 * change - pull) * (1 - free.tanh().square()) / 2

    def _adam(self, batch: ActiveBatch, gradient: Tensor) -> dict[str, Tensor]:
        """The free variables and the moments after one step of gradient descent."""
        t = batch.step_there % self.steps + 1
        mean = _BETA1 * batch.memory["mean"] + (1 - _BETA1) * gradient
        square = _BETA2 * batch.memory["square"] + (1 - _BETA2) * gradient.square()
        corrected_mean = mean / like_images(1 - _BETA1**t, mean)
        corrected_root = (square / like_images(1 - _BETA2**t, square)).sqrt() + _ADAM_EPS
        return {
            "free": batch.memory["free"] - self.learning_rate * corrected_mean / corrected_root,
            "mean": mean,
            "square": square,
        }


def _next_weight(memory: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The next c: midway between one that failed and one that succeeded, ten times as much while none has succeeded."""
    weight, succeeded = memory["weight"], memory["succeeded"]
    low, high = torch.where(succeeded, memory["low"], weight), torch.where(succeeded, weight, memory["high"])
    return {"weight": torch.where(torch.isinf(high), weight * 10, (low + high) / 2), "low": low, "high": high}


def _free(clean: Tensor, bounds: Bounds) -> Tensor:
    """The free variables of the images."""
    return torch.atanh(_SHRINK * ((clean - bounds[0]) / (bounds[1] - bounds[0]) * 2 - 1))


def _image(free: Tensor, clean: Tensor, bounds: Bounds) -> Tensor:
    """The images of free variables; the free variables of the clean images give exactly the clean images."""
    change = (free.tanh() - _free(clean, bounds).tanh()) * (bounds[1] - bounds[0]) / 2
    return (clean + change).clamp(*bounds)


ATTACK = CW()
