"""`pairs`: a scorer learns from a table which two texts are duplicates; the scorers are a registry of their own."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.measures import evaluate_pairs, has_few
from dlcli.core.text.scoring.operating_point import ThresholdCounts, count_by_threshold
from dlcli.specs.estimates import Estimate
from dlcli.specs.pairs import ESSAY_PRECISION, PairMetric, ThresholdRow
from dlcli.support.plural import count

DESCRIPTION = "learn which two texts are duplicates"


@dataclass(frozen=True)
class MeasuredPairs:
    """How well probabilities tell duplicates from other pairs.

    Attributes:
        measured: Each metric by its name.
        counts: Counts at thresholds from 0.01 to 0.99.
        notes: A remark on the intervals if the pairs are few.
    """

    measured: dict[str, Estimate]
    counts: list[ThresholdCounts]
    notes: tuple[str, ...]

    @property
    def metrics(self) -> tuple[PairMetric, ...]:
        """The metrics of a result, and precision a second time under the essay's name for it."""
        found = [PairMetric(name=name, estimate=one) for name, one in self.measured.items()]
        return (*found, *(PairMetric(name=ESSAY_PRECISION, estimate=one.estimate) for one in found if one.name == "precision"))

    @property
    def operating(self) -> tuple[ThresholdRow, ...]:
        """The counts as rows of a result."""
        return tuple(ThresholdRow(**counts._asdict()) for counts in self.counts)


class TextPairs:
    """See the module."""

    name: ClassVar[str] = "pairs"

    def measure(self, pairs: LabelledPairs, probability: NDArray[np.float64], *, seed: int) -> MeasuredPairs:
        """Compare probabilities (n,) with labels.

        Args:
            pairs: Labelled pairs.
            probability: Of being duplicates, (n,).
            seed: Seed of resamples.
        """
        measured = evaluate_pairs(pairs, probability, seed=seed)
        counts = count_by_threshold(probability, pairs.duplicate, pairs.component)
        return MeasuredPairs(measured, counts, _few(pairs))


def _few(pairs: LabelledPairs) -> tuple[str, ...]:
    if not has_few(pairs):
        return ()
    groups = count(len(np.unique(pairs.component)), "group")
    found = f"{count(len(pairs), 'pair')} in {groups}, {int(pairs.duplicate.sum()):,} of them duplicates"
    return (f"{found}, are too few to estimate the intervals of AUC, AP and ECE: these are [0, 1].",)


TASK = TextPairs()
