"""`fail_under`: a bound on a metric below which a command exits with status 1."""

from typing import Any, NamedTuple

from dlcli.specs import parse
from dlcli.specs.estimates import Difference, Estimate, PointEstimate, apart_from
from dlcli.specs.option import option
from dlcli.support.errors import InputError, UsageError

_UNBOUNDED = ("gain", "bits")
_SIGNED = ("difference", "mcc", "spearman", "pearson", "kendall")
"""Metrics in bits, and those from -1 to 1; all others are shares."""

FailUnder = tuple[str, float] | tuple[str, float, str]
"""The metric and its bound, and `established` if the whole interval has to be below it."""


class Gate(NamedTuple):
    """A bound on a metric.

    Attributes:
        metric: Its name.
        bound: What it must reach.
        established: Whether it fails only where the whole interval is below the bound; else where the point is.
    """

    metric: str
    bound: float
    established: bool = False

    def fails(self, found: Estimate | PointEstimate | Difference) -> bool:
        """Whether an estimate of the metric does not reach the bound.

        Raises InputError if an estimate below the bound has no interval, and the whole interval has to be below it.
        """
        if not self.established or found.value >= self.bound:
            return found.value < self.bound
        if found.high is None:
            message = f"`fail_under`: {self.metric} is {found}, so that nothing tells whether it is established to be below"
            raise InputError(f"{message} {self.bound:g}", hint=f"the estimate counts with {self.metric}={self.bound:g}")
        return found.high < self.bound

    def below(self, found: Estimate | PointEstimate | Difference) -> str:
        """A figure that fails and how it stands to the bound: `0.897 [0.821, 0.943], below 0.95`."""
        decisive = found.high if self.established else found.value
        shown = str(found) if decisive is None else apart_from(found, decisive, self.bound)
        return f"{shown}, below {self.bound:g}" + (", with its whole interval" if self.established else "")


def gate(value: FailUnder | None) -> Gate | None:
    """The gate of a value of `fail_under`.

    Raises UsageError if its third part is not `established`, or no figure of that metric reaches the bound, or none is below.
    """
    if value is None:
        return None
    metric, bound, *word = value
    if word not in ([], [parse.ESTABLISHED]):
        raise UsageError(f"`fail_under`: '{word[0]}' is not {parse.ESTABLISHED}", hint=f"write {metric}={bound:g}")
    _check_bound(metric, bound)
    return Gate(metric, bound, bool(word))


def _check_bound(metric: str, bound: float) -> None:
    if metric in _UNBOUNDED:
        return
    least = -1 if metric in _SIGNED else 0
    if least <= bound <= 1:
        return
    message = f"`fail_under`: {metric} is from {least} to 1, and the bound is {bound:g}"
    in_percent = 1 < abs(bound) <= 100 and (metric == "difference" or (bound > 0 and metric not in _SIGNED))
    raise UsageError(message, hint=f"{bound:g}% is {metric}={bound / 100:g}" if in_percent else "choose a bound in that range")


def fail_under_option(help: str) -> Any:
    """`fail_under`: a bound on a metric; `help` says on which."""
    how = "The estimate itself counts; with :established after the bound, only an interval that lies below it fails."
    return option(None, f"{help} {how}", parse=parse.condition, show=parse.show_condition, metavar="METRIC=V[:established]")
