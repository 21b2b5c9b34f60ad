"""The learning rate by the number of steps done: a function of nothing else, so a resumed training needs no state for it.

torch's schedulers compute each rate from the last one; these are their closed forms, and tests hold them to torch's. `plateau`
depends on losses: torch's own scheduler decides, and its state is kept (`Plateau`).
"""

from math import cos, pi

import torch
from torch import Tensor, nn

from dlcli.specs.schedule import Schedule, parse_schedule

_RISES, _FIRST, _LAST = 0.3, 25.0, 1e4
"""Of one cycle, as torch has it: the share of steps that rise, from which part of the rate, and to which part of that."""


def lr_factor(schedule: str, *, warmup: float, epochs: int, steps: int, epoch: int, step: int) -> float:
    """The share of the learning rate that is in force in a step.

    Args:
        schedule: As `parse_schedule` takes it; it begins after the warm-up and takes the steps that are left.
        warmup: For how many epochs the rate rises first, by the same amount in each step, to 1 in the last of them (Goyal et
            al. 2017, section 2.2).
        epochs: Of the whole training.
        steps: In an epoch.
        epoch: Of the step, from 0.
        step: Within the epoch, from 0.
    """
    rising = round(warmup * steps)
    done, plan = epoch * steps + step - rising, parse_schedule(schedule)
    if done < 0:
        return (done + rising + 1) / rising
    total = epochs * steps - rising
    if plan.name == "cosine":
        return (1 + cos(pi * (done / total if rising else (epoch + step / steps) / epochs))) / 2
    if plan.name == "step":
        return plan.factor ** (done // (plan.epochs * steps) if plan.epochs else 3 * done // total)
    return _one_cycle(done, total) if plan.name == "onecycle" else 1.0


def _one_cycle(done: int, total: int) -> float:
    """A cosine from 1/25 up to 1 and one down to 1/250,000 (Smith & Topin 2019; torch's OneCycleLR)."""
    top, end = _RISES * total - 1, total - 1
    low, last = 1 / _FIRST, 1 / (_FIRST * _LAST)
    start, stop, share = (low, 1.0, done / top) if done <= top else (1.0, last, (done - top) / (end - top))
    return stop + (start - stop) / 2 * (1 + cos(pi * share))


class Plateau:
    """The share of the learning rate by the losses seen: torch's ReduceLROnPlateau, on an optimizer of one number."""

    def __init__(self, schedule: Schedule) -> None:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
        self._scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=schedule.factor, patience=schedule.epochs or 0
        )

    @property
    def factor(self) -> float:
        """The share that is in force."""
        return float(self._scheduler.optimizer.param_groups[0]["lr"])

    def see(self, loss: float) -> None:
        """The loss after an epoch."""
        self._scheduler.step(loss)

    def state(self) -> Tensor:
        """What `load` takes: the share, the lowest loss, and the epochs since then."""
        kept = [self.factor, float(self._scheduler.best), float(self._scheduler.num_bad_epochs)]
        return torch.tensor(kept, dtype=torch.float64)

    def load(self, state: Tensor) -> None:
        """Continue where `state` was taken."""
        factor, best, bad = state.tolist()
        self._scheduler.optimizer.param_groups[0]["lr"] = factor
        self._scheduler.best, self._scheduler.num_bad_epochs = best, int(bad)
