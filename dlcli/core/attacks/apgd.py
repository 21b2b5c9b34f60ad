"""Auto-PGD: a step size that halves itself where progress ends (Croce & Hein 2020, arXiv 2003.01690, algorithm 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.gradient import Slope
from dlcli.core.attacks.iterated import Iterated, check_count
from dlcli.core.attacks.methods.pgd import random_point
from dlcli.core.attacks.norms import like_images

MOMENTUM = 0.75
"""The share of the new step; the rest repeats the last one (the paper's alpha)."""

LEAST_RISES = 0.75
"""The share of steps since the last checkpoint that must raise the loss (the paper's rho)."""


@dataclass(frozen=True)
class APGD(Iterated):
    """From a random point, steps of at first 2 * eps with momentum, halved where progress ends.

    At a checkpoint the step size is halved and the best point so far taken up again if fewer than 75% of the steps since
    the last one raised the loss (condition 1), or if neither step size nor best loss changed since (condition 2). It
    looks at the iterates up to its own, as the authors' program does. The best point and its gradient are remembered, so
    that taking it up again costs no pass. A run without success gives the point of the highest loss.
    """

    steps: int = 100
    restarts: int = 1

    remembers_best: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("restarts", self.restarts)

    @property
    def tries(self) -> int:
        """As many as there are restarts."""
        return self.restarts

    def start(self, clean: Tensor, threat: Threat, generator: torch.Generator) -> Tensor:
        """A point of the ball about `clean`."""
        return random_point(clean, threat, generator)

    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """As before the first step; `scale` is the step size in units of eps."""
        none, zero = x.new_full((len(x),), -torch.inf), x.new_zeros(len(x))
        return {
            "previous": x,
            "best": x,
            "best_gradient": torch.zeros_like(x),
            "best_loss": none,
            "last_loss": none,
            "checked_loss": none,
            "scale": zero + 2,
            "rises": zero,
            "halved": torch.zeros_like(zero, dtype=torch.bool),
        }

    def move(self, lanes: Lanes, slope: Slope, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Remember, check, and step with momentum."""
        memory = checked(remembered(lanes, slope), lanes.step, self.steps)
        again = like_images(memory["halved"] & _at_checkpoint(lanes.step, self.steps), lanes.x)
        x = torch.where(again, memory["best"], lanes.x)
        gradient = torch.where(again, memory["best_gradient"], slope.gradient)
        step = like_images(memory["scale"], x) * threat.eps * threat.measure.steepest(gradient)
        straight = threat.held(x + step, lanes.clean)
        share = like_images(torch.where(lanes.step > 0, MOMENTUM, 1.0).to(x.dtype), x)
        bent = x + share * (straight - x) + (1 - share) * (x - memory["previous"])
        return bent, {**memory, "previous": x}

    def finish(self, lanes: Lanes, loss: Tensor) -> tuple[Tensor, Tensor]:
        """The best point, the last one included."""
        last = loss > lanes.memory["best_loss"]
        best = torch.where(like_images(last, lanes.x), lanes.x, lanes.memory["best"])
        return best, torch.where(last, loss, lanes.memory["best_loss"])


def remembered(lanes: Lanes, slope: Slope) -> dict[str, Tensor]:
    """The memory with the loss at `lanes.x` counted and, where it is the highest so far, the point kept."""
    old, loss = lanes.memory, slope.loss.to(lanes.x.dtype)
    better = loss > old["best_loss"]
    wide = like_images(better, lanes.x)
    first = lanes.step == 0
    return {
        **old,
        "best": torch.where(wide, lanes.x, old["best"]),
        "best_gradient": torch.where(wide, slope.gradient, old["best_gradient"]),
        "best_loss": torch.where(better, loss, old["best_loss"]),
        "rises": old["rises"] + (~first & (loss > old["last_loss"])),
        "last_loss": loss,
        "checked_loss": torch.where(first, loss, old["checked_loss"]),
    }


def checked(memory: Mapping[str, Tensor], step: Tensor, steps: int) -> dict[str, Tensor]:
    """The memory after the checkpoint, in the rows whose `step` is one: the step size halved where a condition holds."""
    window = _windows(steps, step.device)[step]
    due = window > 0
    few = memory["rises"] < LEAST_RISES * window
    stuck = ~memory["halved"] & (memory["best_loss"] == memory["checked_loss"])
    halved = torch.where(due, few | stuck, memory["halved"])
    return {
        **memory,
        "scale": torch.where(due & halved, memory["scale"] / 2, memory["scale"]),
        "rises": torch.where(due, 0, memory["rises"]),
        "checked_loss": torch.where(due, memory["best_loss"], memory["checked_loss"]),
        "halved": halved,
    }


def checkpoints(steps: int) -> tuple[int, ...]:
    """The w_j = ceil(p_j * steps) below `steps`, where p_1 = 0.22 and each stride is 0.03 shorter, but 0.06 at least."""
    found, percent, stride = [], 0, 22
    while percent + stride < 100:
        # In whole percents: in floating point, 0.57 * 100 is a little more than 57, and its ceiling is 58.
        percent, stride = percent + stride, max(stride - 3, 6)
        found.append(-(-percent * steps // 100))
    return tuple(dict.fromkeys(w for w in found if w < steps))


@cache
def _windows(steps: int, device: torch.device) -> Tensor:
    """For each step from 0 to `steps`: how many steps lie between this checkpoint and the one before; 0 if it is none."""
    window, last = torch.zeros(steps + 1, dtype=torch.int64), 0
    for w in checkpoints(steps):
        window[w], last = w - last, w
    return window.to(device)


def _at_checkpoint(step: Tensor, steps: int) -> Tensor:
    return _windows(steps, step.device)[step] > 0
