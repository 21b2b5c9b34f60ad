"""Auto-PGD: PGD with momentum and an adaptive step size (Croce & Hein 2020, arXiv 2003.01690, algorithm 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import ThreatModel
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.gradient import LossGradient
from dlcli.core.attacks.iterated import RandomStarts
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.pool import NextStep, RunEnd

MOMENTUM = 0.75
"""The weight of the new step; the previous step has the rest (the paper's alpha)."""

MIN_INCREASES = 0.75
"""The fraction of the steps since the last checkpoint that must increase the loss (the paper's rho)."""


@dataclass(frozen=True)
class APGD(RandomStarts):
    """Steps with momentum from a random point, at first 2 * eps long and halved when progress stalls.

    At a checkpoint the step size is halved and the run returns to its best point if fewer than 75% of the steps since the
    last checkpoint increased the loss (condition 1), or if neither step size nor best loss changed since then (condition 2).
    A checkpoint counts the iterates up to its own, as the authors' code does. The gradient at the best point is kept, so
    returning to it costs no pass. A run without success ends with the point of highest loss.
    """

    steps: int = 100

    norms = ("linf", "l2", "l1")
    tracks_best: ClassVar[bool] = True

    @override
    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """The state before the first step; `scale` is the step size in units of eps."""
        none, zero = x.new_full((len(x),), -torch.inf), x.new_zeros(len(x))
        return {
            "previous": x,
            "best": x,
            "best_gradient": torch.zeros_like(x),
            "best_loss": none,
            "last_loss": none,
            "checked_loss": none,
            "scale": zero + 2,
            "increases": zero,
            "halved": torch.zeros_like(zero, dtype=torch.bool),
        }

    @override
    def step(self, batch: ActiveBatch, at_x: LossGradient, threat: ThreatModel) -> NextStep:
        """Update the best point and the step size, then step with momentum."""
        memory, x, gradient = updated(batch, at_x), batch.x, at_x.gradient
        if bool(_is_checkpoint(batch.step, self.steps).any()):
            memory = at_checkpoint(memory, batch.step_there, self.steps)
            # A row whose step size was just halved goes on from its best point, with the gradient that was computed there.
            again = like_images(memory["halved"] & _is_checkpoint(batch.step_there, self.steps), x)
            x = torch.where(again, memory["best"], x)
            gradient = torch.where(again, memory["best_gradient"], gradient)
        step = threat.step(x, gradient, like_images(memory["scale"], x) * threat.eps)
        projected = threat.project(x + step, batch.clean)
        alpha = like_images(torch.where(batch.step_there > 0, MOMENTUM, 1.0).to(x.dtype), x)
        with_momentum = x + alpha * (projected - x) + (1 - alpha) * (x - memory["previous"])
        return NextStep(with_momentum, {**memory, "previous": x})

    @override
    def finish(self, batch: ActiveBatch, loss: Tensor) -> RunEnd:
        """The best point, the last one included."""
        last = loss > batch.memory["best_loss"]
        best = torch.where(like_images(last, batch.x), batch.x, batch.memory["best"])
        return RunEnd(best, torch.where(last, loss, batch.memory["best_loss"]))


def updated(batch: ActiveBatch, at_x: LossGradient) -> dict[str, Tensor]:
    """The memory after the loss at `batch.x` is known: its increase counted, and the point kept where it is the best."""
    old, loss = batch.memory, at_x.loss.to(batch.x.dtype)
    better = loss > old["best_loss"]
    wide = like_images(better, batch.x)
    first = batch.step_there == 0
    return {
        **old,
        "best": torch.where(wide, batch.x, old["best"]),
        "best_gradient": torch.where(wide, at_x.gradient, old["best_gradient"]),
        "best_loss": torch.where(better, loss, old["best_loss"]),
        "increases": old["increases"] + (~first & (loss > old["last_loss"])),
        "last_loss": loss,
        "checked_loss": torch.where(first, loss, old["checked_loss"]),
    }


def at_checkpoint(memory: Mapping[str, Tensor], step: Tensor, steps: int) -> dict[str, Tensor]:
    """The memory with the step size halved in the rows whose `step` is a checkpoint and where a condition holds."""
    # Condition 1: too few increases mean that the steps jump over the maximum. Condition 2: an unchanged step size that did
    # not improve the best loss will not improve it. A size that was just halved gets one window to prove itself, hence
    # `~halved`. Rows are at different steps, so each looks up whether its own step is a checkpoint.
    window = _windows(steps, step.device)[step]
    due = window > 0
    few = memory["increases"] < MIN_INCREASES * window
    stuck = ~memory["halved"] & (memory["best_loss"] == memory["checked_loss"])
    halved = torch.where(due, few | stuck, memory["halved"])
    return {
        **memory,
        "scale": torch.where(due & halved, memory["scale"] / 2, memory["scale"]),
        "increases": torch.where(due, 0, memory["increases"]),
        "checked_loss": torch.where(due, memory["best_loss"], memory["checked_loss"]),
        "halved": halved,
    }


def checkpoints(steps: int) -> tuple[int, ...]:
    """The w_j = ceil(p_j * steps) below `steps`: p_1 = 0.22, and each increment is 0.03 less, but at least 0.06."""
    found, percent, stride = [], 0, 22
    while percent + stride < 100:
        # In whole percents: in floating point, 0.57 * 100 is a little more than 57, and its ceiling is 58.
        percent, stride = percent + stride, max(stride - 3, 6)
        found.append(-(-percent * steps // 100))
    return tuple(dict.fromkeys(w for w in found if w < steps))


@cache
def _windows(steps: int, device: torch.device) -> Tensor:
    """For each step from 0 to `steps`: the number of steps since the previous checkpoint, 0 where the step is not one."""
    window, last = torch.zeros(steps + 1, dtype=torch.int64), 0
    for w in checkpoints(steps):
        window[w], last = w - last, w
    return window.to(device)


def _is_checkpoint(step: Tensor, steps: int) -> Tensor:
    return _windows(steps, step.device)[step] > 0
