"""The learning rate by the number of steps done: a function of nothing else, so a resumed training needs no state for it."""

from collections.abc import Callable
from math import cos, pi

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: (1 + cos(pi * done)) / 2,
}
"""The share of the learning rate that is in force when the share `done` in [0, 1) of all steps is done."""


def lr_factor(schedule: str, *, warmup: float, epochs: int, steps: int, epoch: int, step: int) -> float:
    """The share of the learning rate that is in force in a step.

    Args:
        schedule: One of SCHEDULES; it begins after the warm-up and takes the steps that are left.
        warmup: For how many epochs the rate rises first, by the same amount in each step, to 1 in the last of them (Goyal et
            al. 2017, section 2.2).
        epochs: Of the whole training.
        steps: In an epoch.
        epoch: Of the step, from 0.
        step: Within the epoch, from 0.
    """
    rising = round(warmup * steps)
    done = epoch * steps + step
    if done < rising:
        return (done + 1) / rising
    share = (done - rising) / (epochs * steps - rising) if rising else (epoch + step / steps) / epochs
    return SCHEDULES[schedule](share)
