"""Options and result of a run that may stop before all examples are examined."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.durations import seconds, show_seconds
from dlcli.specs.estimates import Estimate
from dlcli.specs.option import option
from dlcli.support.errors import UsageError


def time_limit_option(what: str) -> Any:
    """`for`: how long examples are taken."""
    return option(
        None,
        f"{what} in random order, and stop after this time, such as 60s or 5m. The interval of the whole set holds whenever "
        "the run stops. What was started is finished.",
        name="for",
        parse=seconds,
        show=show_seconds,
        metavar="TIME",
        above=0,
    )


def stop_when_sure_option(what: str, also: str = "") -> Any:
    """`stop_when_sure`: stop once the gate is decided; `also` says what a run waits for besides."""
    return option(
        False,
        f"{what} in random order, and stop once `fail_under` is decided for the whole set; the decision is wrong in at "
        f"most one of twenty runs.{also}",
    )


def stops_early(config: Any) -> bool:
    """Whether a run may stop before the end."""
    return config.time_limit is not None or bool(config.stop_when_sure)


def check_anytime(config: Any, metrics: tuple[str, ...]) -> None:
    """Raise UsageError for `stop_when_sure` without a gate on one of `metrics`, which are shares, to decide."""
    if config.stop_when_sure and config.fail_under is None:
        raise UsageError("`stop_when_sure` needs `fail_under`, the gate to decide", hint="add `fail_under=METRIC=V`")
    if stops_early(config) and config.against is not None:
        raise UsageError("`against` compares networks on all examples", hint="omit `for` and `stop_when_sure`")
    if config.stop_when_sure and config.fail_under[0] not in metrics:
        message = f"`stop_when_sure` decides {' and '.join(metrics)}, not {config.fail_under[0]}"
        raise UsageError(message, hint="omit `stop_when_sure`")


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """When a run stopped, and what it knows of the whole set.

    Attributes:
        seen: Number of examples that were examined, in random order.
        total: Number of examples of the whole set.
        metric: The share that is estimated.
        share: It for the whole set, with an interval that holds at every moment.
        decided: Whether the gate is decided for the whole set; None without a gate.
        fails: Whether it fails; None while that is not decided.
        seconds_saved: Time that the other examples would have taken at the pace of these.
    """

    seen: int
    total: int
    metric: str
    share: Estimate
    decided: bool | None
    fails: bool | None
    seconds_saved: float

    @property
    def early(self) -> bool:
        """Whether examples are left, so that figures are estimated for the whole set."""
        return self.seen < self.total
