"""Metrics of a score of labelled pairs, with 95% intervals.

All intervals are by component: pairs that share questions resemble each other, so that to count single pairs as independent
would make the intervals too narrow, on the pairs of Quora by 2.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.areas import grouped_areas
from dlcli.core.evaluation.calibration import expected_error
from dlcli.core.grouped import group_sums, grouped_share
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.specs.estimates import Estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DECISION_THRESHOLD = 0.5
"""Pairs with at least this probability count as predicted duplicates."""
FEW = 10
"""With fewer components than this, or fewer pairs of a label than half of it, resamples tell nothing about the spread."""


def evaluate_pairs(pairs: LabelledPairs, probability: Floats, *, seed: int = 0) -> dict[str, Estimate]:
    """Accuracy, precision, recall and F1 at `DECISION_THRESHOLD`, AUC, average precision (AP) and ECE, by name.

    Accuracy, precision, recall and F1 have the interval of `grouped_share`, AUC and AP that of `grouped_areas`, and ECE, for
    the probability of a duplicate, that of `expected_error`, each by component. For a few pairs (see `has_few`) the last three
    are [0, 1]. A metric without a value is omitted, such as precision where no pair is predicted to be a duplicate.

    Args:
        pairs: Labelled pairs.
        probability: Predicted probability of a duplicate, (pairs,).
        seed: Seed of the bootstrap.

    Returns:
        The estimate of each metric that has a value.
    """
    found = dict(_metrics(pairs, probability, seed))
    unknown = ("auc", "ap", "ece") if has_few(pairs) else ()
    return {name: replace(one, low=0.0, high=1.0) if name in unknown else one for name, one in found.items()}


def _metrics(pairs: LabelledPairs, probability: Floats, seed: int) -> Iterator[tuple[str, Estimate]]:
    y, called = pairs.duplicate, probability >= DECISION_THRESHOLD
    component = np.unique(pairs.component, return_inverse=True)[1]

    def share(hits: Bools, among: Bools) -> Estimate:
        return grouped_share(group_sums(hits, component), group_sums(among, component))

    yield "accuracy", share(called == y, np.ones(len(y), np.bool_))
    if called.any():
        yield "precision", share(called & y, called)
    if y.any():
        yield "recall", share(called & y, y)
    if 0 < y.sum() < len(y):
        yield "f1", _f1(share(called & y, called | y), len(y))
        areas = grouped_areas(probability, y, component, seed=seed)
        yield "auc", areas.auc
        yield "ap", areas.ap
    yield "ece", expected_error(probability, y, group=component, seed=seed)


def _f1(overlap: Estimate, n: int) -> Estimate:
    """F1 of n pairs from the share of right ones among the pairs that are duplicates or predicted to be (Jaccard's index J).

    F1 is 2 J / (1 + J), which increases with J, so that the interval of the share becomes one of F1.
    """
    value, low, high = (2 * share / (1 + share) for share in (overlap.value, overlap.low, overlap.high))
    return Estimate(value, low, high, n)


def has_few(pairs: LabelledPairs) -> bool:
    """Whether there are too few pairs to estimate intervals by resampling; they are then [0, 1], which says nothing."""
    label = min(int(pairs.duplicate.sum()), int((~pairs.duplicate).sum()))
    return len(np.unique(pairs.component)) < FEW or 2 * label < FEW
