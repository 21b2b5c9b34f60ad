"""Precision, recall, F1 and areas of each class against all others, and their means over classes.

Definitions are those of scikit-learn. A precision, a recall, and the Jaccard index TP / (TP + FP + FN), of which F1 is a
monotone function, are shares of the examples that are predicted as a class, belong to it, or either, so that their intervals
are those of shares, by group where there are groups.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.effective import effective_by_influence
from dlcli.core.evaluation.confusion_figures import FEWEST, PSEUDO, group_size
from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.evaluation.ranked import Smoothed, rank, smoothed
from dlcli.core.grouped import share_of
from dlcli.core.proportion import effective_share
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.support.plural import count

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class against all others, each None where it is not defined.

    Attributes:
        precision: The share of the examples predicted as this class that belong to it.
        recall: The share of the examples of this class that are predicted as it.
        f1: The harmonic mean of both.
        auc: The area under the ROC curve of the probability of this class.
        ap: The average precision by that probability.
    """

    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    auc: Estimate | None = None
    ap: Estimate | None = None


@dataclass(frozen=True)
class ClassMetrics:
    """The figures of classes, and the means over classes of their areas, by name."""

    classes: tuple[ClassFigures, ...]
    means: dict[str, Estimate | PointEstimate]


def class_metrics(
    y: Labels, predicted: Labels, classes: Sequence[int], *, log_p: Floats | None = None, group: Labels | None = None
) -> ClassMetrics:
    """Compute the figures of each class.

    Args:
        y: True outputs, (n,).
        predicted: Predicted ones, (n,).
        classes: The outputs that are classes.
        log_p: Log-probabilities, (n, outputs); without them there are no areas.
        group: The group of each example, (n,) from 0 on, if they come in groups.

    Returns:
        The figures of each of `classes`; the means are of those that have examples.
    """
    areas = _Areas(y, log_p, group)
    found = tuple(_of_class(y == k, predicted == k, group, *areas.of(k)) for k in classes)
    return ClassMetrics(found, areas.means() if len(classes) > 2 else {})


def _of_class(true: Bools, called: Bools, group: Labels | None, auc: Estimate | None, ap: Estimate | None) -> ClassFigures:
    return ClassFigures(
        precision=_share(true, called, group),
        recall=_share(called, true, group),
        f1=_f1(_share(true & called, true | called, group)),
        auc=auc,
        ap=ap,
    )


def _share(hits: Bools, inside: Bools, group: Labels | None) -> Estimate | None:
    if not inside.any():
        return None
    return share_of(hits[inside], None if group is None else group[inside])


def _f1(jaccard: Estimate | None) -> Estimate | None:
    if jaccard is None:
        return None
    value, low, high = (2 * one / (1 + one) for one in (jaccard.value, jaccard.low, jaccard.high))
    return Estimate(value, low, high, jaccard.n)


class _Mean:
    """Sums over classes."""

    def __init__(self, n: int) -> None:
        self.classes, self.value, self.smooth, self.more, self.influence = 0, 0.0, 0.0, 0.0, np.zeros(n)

    def add(self, value: float, usual: Smoothed) -> None:
        """Count the figure of one more class."""
        self.classes += 1
        self.value += value
        self.smooth += usual.value
        self.more += usual.more
        self.influence += usual.influence

    def usual(self) -> Smoothed:
        """The mean over classes, for its variance."""
        k = self.classes
        return Smoothed(self.smooth / k, self.influence / k, self.more / k**2)


class _Areas:
    """Areas of classes against the others; keeps what their means are made of, an influence of each example."""

    def __init__(self, y: Labels, log_p: Floats | None, group: Labels | None) -> None:
        self.y, self.log_p, self.group = y, log_p, group
        self.size = group_size(group)
        self.means_of = {name: _Mean(len(y)) for name in ("macro-auc", "macro-ap")}
        self.fewest = len(y)

    def of(self, k: int) -> tuple[Estimate | None, Estimate | None]:
        """AUC and AP of a class."""
        positive = self.y == k
        if self.log_p is None or positive.all() or not positive.any():
            return None, None
        scores = self.log_p[:, k]
        ranking, usual = rank(scores, positive), smoothed(scores, positive, PSEUDO * self.size, self.size)
        values = ranking.auc().value, ranking.average_precision().value
        for mean, value, one in zip(self.means_of.values(), values, usual, strict=True):
            mean.add(value, one)
        self.fewest = min(self.fewest, int(positive.sum()))
        area, precision = (self._estimate(value, one) for value, one in zip(values, usual, strict=True))
        return area, precision

    def means(self) -> dict[str, Estimate | PointEstimate]:
        """The means over classes, without an interval if a class has few examples."""
        return dict(self._means())

    def _means(self) -> Iterator[tuple[str, Estimate | PointEstimate]]:
        n = len(self.y)
        for name, mean in self.means_of.items():
            if not mean.classes:
                continue
            value, usual = mean.value / mean.classes, mean.usual()
            if self.fewest < FEWEST:
                yield name, PointEstimate(value=value, n=n, why=f"a class has {count(self.fewest, 'example')}")
            else:
                yield name, self._estimate(value, usual)

    def _estimate(self, value: float, usual: Smoothed) -> Estimate:
        n = len(self.y)
        independent = effective_by_influence(usual.value, usual.influence, self.group, more=usual.more)
        return effective_share(min(1.0, max(0.0, value)) * n, n, independent)
