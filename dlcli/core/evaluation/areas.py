"""Areas under the ROC curve and the precision-recall curve of examples that come in groups, with intervals by group.

A group is drawn as a whole (the cluster bootstrap: Davison and Hinkley 1997, section 3.8), since examples of one resemble each
other. In place of copies each example has a weight, how often its group was drawn, so that scores are sorted once.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.bootstrap import resamples
from dlcli.core.evaluation.metrics import auc
from dlcli.core.stats import wilson
from dlcli.specs.estimates import Estimate

_AT_ONCE = 1 << 22
"""Weights of examples in memory at a time."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Areas(NamedTuple):
    """The area under the ROC curve (AUC) and the average precision (AP)."""

    auc: Estimate
    ap: Estimate


def grouped_areas(scores: Floats, positive: Bools, group: NDArray[np.integer], *, seed: int) -> Areas:
    """Estimate both areas, with percentiles of resamples of whole groups; those without both classes are discarded.

    The interval of the AUC is never narrower than that of independent examples, which is not empty where the order is perfect.
    There, what was not seen is bounded as if each group were one example.

    Args:
        scores: The scores, (n,).
        positive: Which examples are positive, (n,), some and not all.
        group: The group of each example, (n,) from 0 on.
        seed: Seed of the resamples.

    Returns:
        The areas.
    """
    order = np.argsort(-scores, kind="stable")
    values = _Ranked(positive[order], np.flatnonzero(np.append(True, np.diff(scores[order]) != 0)))
    value = values.areas(np.ones((1, len(scores))))[0]
    numbers = group[order]
    found = []
    for block in resamples(int(group.max()) + 1, seed=seed):
        step = max(1, _AT_ONCE // len(scores))
        found += [values.areas(block[k : k + step, numbers]) for k in range(0, len(block), step)]
    low, high = np.nanquantile(np.concatenate(found), (0.025, 0.975), axis=0)
    area = _hull(value[0], low[0], high[0], len(scores))
    precision = _hull(value[1], low[1], high[1], len(scores))
    if value[1] == 1:
        groups = len(np.unique(group[positive]))
        precision = replace(precision, low=min(precision.low, wilson(groups, groups).low))
    return Areas(
        _at_least(area, auc(scores, positive) if 0 < value[0] < 1 else _by_group(value[0], positive, group)), precision
    )


def _hull(value: float, low: float, high: float, n: int) -> Estimate:
    return Estimate(float(value), float(min(low, value)), float(max(high, value)), n)


def _at_least(found: Estimate, other: Estimate | None) -> Estimate:
    return found if other is None else replace(found, low=min(found.low, other.low), high=max(found.high, other.high))


def _by_group(area: float, positive: Bools, group: NDArray[np.integer]) -> Estimate | None:
    """The AUC, 0 or 1, of as many examples as there are groups with each class."""
    negatives, positives = (len(np.unique(group[positive == label])) for label in (False, True))
    scores, last = np.arange(negatives + positives, dtype=np.float64), np.arange(negatives + positives) >= negatives
    return auc(scores if area else -scores, last)


class _Ranked(NamedTuple):
    """Examples by descending score: which are positive (n,), and where each distinct score begins."""

    positive: Bools
    starts: NDArray[np.intp]

    def areas(self, weights: Floats) -> Floats:
        """Both areas for each row of weights (rows, n); nan without both classes."""
        hits = np.add.reduceat(weights * self.positive, self.starts, axis=1)
        every = np.add.reduceat(weights, self.starts, axis=1)
        above, called = np.cumsum(hits, axis=1), np.cumsum(every, axis=1)
        positives, total = above[:, -1], called[:, -1]
        with np.errstate(divide="ignore", invalid="ignore"):
            # A negative stands below the positives with higher scores, and half below those with the same.
            roc = ((every - hits) * (above - hits / 2)).sum(1) / (positives * (total - positives))
            precision = (hits * np.nan_to_num(above / called)).sum(1) / positives
        return np.stack([roc, np.where(positives < total, precision, np.nan)], axis=1)
