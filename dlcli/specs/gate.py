"""`fail_under`: a bound on a metric below which a command exits with status 1."""

from typing import Any, NamedTuple

from dlcli.specs import parse
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.option import option
from dlcli.support.errors import UsageError

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
        """Whether an estimate of the metric does not reach the bound; without an interval nothing is established."""
        least = found.high if self.established else found.value
        return least is not None and least < self.bound

    def below(self) -> str:
        """How a figure that fails stands to the bound, in words."""
        return f"below {self.bound:g}" + (", with its whole interval" if self.established else "")


def gate(value: FailUnder | None) -> Gate | None:
    """The gate of a value of `fail_under`; raises UsageError if its third part is not `established`."""
    if value is None:
        return None
    metric, bound, *word = value
    if word not in ([], [parse.ESTABLISHED]):
        raise UsageError(f"`fail_under`: '{word[0]}' is not {parse.ESTABLISHED}", hint=f"write {metric}={bound:g}")
    return Gate(metric, bound, bool(word))


def fail_under_option(help: str) -> Any:
    """`fail_under`: a bound on a metric; `help` says on which."""
    how = "The estimate itself counts; with :established after the bound, only an interval that lies below it fails."
    return option(None, f"{help} {how}", parse=parse.condition, show=parse.show_condition, metavar="METRIC=V[:established]")
