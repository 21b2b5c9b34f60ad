"""How good the pseudo-labels of a training are, after an epoch."""

from collections.abc import Sequence
from typing import NamedTuple

from dlcli.core.proportion import proportion
from dlcli.specs.estimates import Estimate
from dlcli.specs.figures import percent
from dlcli.support.plural import count
from dlcli.support.schema import Check, record, whole

PSEUDO_NAMES = ("pseudo_label_coverage", "pseudo_label_accuracy")
"""What `pseudo_shares` is called in tables."""
_MOST = 10**9


class PseudoLabels(NamedTuple):
    """Of `n` unlabelled images whose labels are known here: how many get a pseudo-label, and how many of these are right."""

    given: int
    right: int
    n: int

    @property
    def coverage(self) -> Estimate:
        """The share of the images that get one."""
        return proportion(self.given, self.n)

    @property
    def accuracy(self) -> Estimate | None:
        """The share of the pseudo-labels that are right; None if there are none."""
        return proportion(self.right, self.given) if self.given else None


def pseudo_schema() -> Check:
    """What is recorded of the pseudo-labels of an epoch."""
    return record(dict.fromkeys(PseudoLabels._fields, whole(0, _MOST)))


def pseudo_shares(one: PseudoLabels) -> tuple[float | None, ...]:
    """Coverage and accuracy; the latter None without pseudo-labels."""
    return one.coverage.value, None if one.accuracy is None else one.accuracy.value


def pseudo_note(epochs: Sequence[PseudoLabels]) -> tuple[str, ...]:
    """The pseudo-labels after the last epoch in words; none without epochs."""
    if not epochs:
        return ()
    last = epochs[-1]
    right = "" if last.accuracy is None else f", {percent(last.accuracy, '%')} of these are right"
    return (f"pseudo-labels: {percent(last.coverage, '%')} of {count(last.n, 'unlabelled image')} get one{right}",)
