"""Learning rate schedules by name: `cosine`, `step:30:0.1`."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dlcli.specs.arms import names_option
from dlcli.support.errors import UsageError

SCHEDULES = ("constant", "cosine", "step", "onecycle", "plateau")
_FALLING = ("step", "plateau")
_PATIENCE = 5


@dataclass(frozen=True)
class Schedule:
    """A schedule: `step` multiplies the rate by `factor` every `epochs`, `plateau` after more than `epochs` without progress.

    `epochs` is None for `step` if the rate falls after each third of the training, and for the other schedules.
    """

    name: str
    epochs: int | None = None
    factor: float = 0.1


@lru_cache
def parse_schedule(text: str) -> Schedule:
    """The schedule that `text` names; raises ValueError, with one sentence, if it names none."""
    name, *details = text.split(":")
    if name not in SCHEDULES:
        raise ValueError(f"'{name}' is not one of {', '.join(SCHEDULES)}")
    if len(details) > (2 if name in _FALLING else 0):
        raise ValueError(f"'{text}' is not {name}{'[:EPOCHS[:FACTOR]]' if name in _FALLING else ''}")
    epochs = _epochs(text, details[0]) if details else _PATIENCE if name == "plateau" else None
    return Schedule(name, epochs, _factor(text, details[1]) if len(details) == 2 else 0.1)


def _epochs(text: str, given: str) -> int:
    if not (given.isascii() and given.isdigit() and int(given) > 0):
        raise ValueError(f"'{text}': EPOCHS is a whole number above 0")
    return int(given)


def _factor(text: str, given: str) -> float:
    try:
        factor = float(given)
    except ValueError:
        factor = 0.0
    if not 0 < factor < 1:
        raise ValueError(f"'{text}': FACTOR is above 0 and below 1")
    return factor


def schedule_option() -> Any:
    """`schedule`: how the learning rate changes."""
    return names_option(
        "Learning rate schedule. constant; cosine: falls to 0; step: times FACTOR (0.1) every EPOCHS (a third of all); "
        "onecycle: rises for 0.3 of the training, then falls to 0 (Smith & Topin 2019); plateau: times FACTOR when the loss on "
        "the dev set has not improved for more than EPOCHS (5), needs `dev` or data that have a dev set. Default: the "
        "network's own.",
        parse_schedule,
        metavar="NAME[:EPOCHS[:FACTOR]][,NAME...]",
    )


def check_schedule(schedule: str | None, warmup: float | None) -> None:
    """Raise UsageError for a schedule that is none, or that does not go with the `warmup`."""
    try:
        found = parse_schedule(schedule or "constant")
    except ValueError as error:
        raise UsageError(f"`schedule`: {error}") from None
    if found.name == "onecycle" and warmup:
        raise UsageError("`warmup` does not apply to `schedule=onecycle`, which rises by itself", hint="omit `warmup`")
