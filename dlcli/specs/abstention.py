"""`eval --abstain`: from which probability on a network should answer."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.estimates import Estimate
from dlcli.specs.option import option


@dataclass(frozen=True, kw_only=True)
class Abstention:
    """The threshold that keeps errors among the answered examples below a bound.

    Attributes:
        risk: The largest share of errors among them.
        threshold: The network answers where its probability is at least this; None if the search ends without one.
        answered: The share of the examples that it answers; None without a threshold.
        errors: Of these, the share that is wrong; the upper end holds for the choice among all thresholds tried.
    """

    risk: float
    threshold: float | None
    answered: Estimate | None
    errors: Estimate | None


def abstain_option() -> Any:
    """`abstain`: how many errors there may be among the answers."""
    return option(
        None,
        "Find by bisection a probability from which on at most this share of the answers is wrong, with a bound that holds for "
        "further examples of the same kind; a lower one may do too. The page of `output` shows errors by the share of examples "
        "that are answered.",
        above=0,
        below=1,
        metavar="RISK",
    )
