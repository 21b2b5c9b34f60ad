"""Areas under the ROC curve and the precision-recall curve of examples that come in groups, with intervals by group.

Examples of a group resemble each other, so that groups, not examples, are omitted in turn (the jackknife). In place of a
smaller sample each example has a weight, 0 or 1, so that scores are sorted once.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from dlcli.core.evaluation.metrics import auc
from dlcli.core.evaluation.ranked import begins
from dlcli.core.jackknife import LEAST_GROUPS, Scale, interval, kept
from dlcli.core.proportion import proportion
from dlcli.specs.estimates import Estimate

_AT_ONCE = 1 << 22
"""Weights of examples in memory at a time."""
_LEAST = 1e-6
"""An area without one of the groups counts as at least this far from 0 and 1, whose logits are infinite."""
_SHARE = Scale(logit, expit)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Areas(NamedTuple):
    """The area under the ROC curve (AUC) and the average precision (AP)."""

    auc: Estimate
    ap: Estimate


def grouped_areas(scores: Floats, positive: Bools, group: NDArray[np.integer], *, seed: int) -> Areas:
    """Estimate both areas, with the interval of the jackknife by group, on the logit scale.

    The interval of the AUC is never narrower than that of independent examples, which is not empty where the order is perfect.
    There, what was not seen is bounded as if each group were one example. From fewer than five groups, or if one group has all
    examples of a class, it is [0, 1].

    Args:
        scores: The scores, (n,).
        positive: Which examples are positive, (n,), some and not all.
        group: The group of each example, (n,) from 0 on.
        seed: Seed of the parts in which groups are omitted if there are many.

    Returns:
        The areas.
    """
    order = np.argsort(-scores, kind="stable")
    values = _Ranked(positive[order], np.flatnonzero(begins(scores[order])))
    value = values.areas(np.ones((1, len(scores))))[0]
    if len(np.unique(group)) < LEAST_GROUPS:
        return Areas(*(Estimate(float(one), 0.0, 1.0, len(scores)) for one in value))
    weights, step = np.stack(list(kept(len(scores), group[order], seed=seed))), max(1, _AT_ONCE // len(scores))
    left = np.concatenate([values.areas(weights[k : k + step].astype(np.float64)) for k in range(0, len(weights), step)])
    area, precision = (_estimate(float(one), without, len(scores)) for one, without in zip(value, left.T, strict=True))
    if value[1] == 1:
        groups = len(np.unique(group[positive]))
        precision = replace(precision, low=proportion(groups, groups).low)
    return Areas(
        _at_least(area, auc(scores, positive) if 0 < value[0] < 1 else _by_group(value[0], positive, group)), precision
    )


def _estimate(value: float, left: Floats, n: int) -> Estimate:
    """An area and its interval: without width at 0 and 1, and [0, 1] if it is not defined without one of the groups."""
    if value in (0, 1) and not np.isnan(left).any():
        return Estimate(value, value, value, n)
    ends = interval(value, np.clip(left, _LEAST, 1 - _LEAST), _SHARE)
    return Estimate(value, *(ends or (0.0, 1.0)), n)


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
