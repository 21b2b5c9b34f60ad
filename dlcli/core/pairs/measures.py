"""How good a score of labelled pairs is, with 95% intervals; areas by bootstrap over components, for these are alike within."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.calibration import expected_error
from dlcli.core.evaluation.metrics import auc
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.stats import wilson
from dlcli.specs.estimates import Estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CALLED = 0.5
"""The probability from which a pair is called a duplicate."""
RESAMPLES = 300


def judge(pairs: Labelled, probability: Floats, *, seed: int = 0) -> dict[str, Estimate]:
    """Measures by name, of probabilities (pairs,): those at `CALLED`, those of the ranking, and that of calibration.

    A measure that has no value (precision when nothing is called) is left out. Accuracy, precision and recall have Wilson's
    interval, AUC, AP and F1 the percentiles of a bootstrap over components, and ECE that of `expected_error`, for the
    probability of a duplicate.
    """
    y, called = pairs.duplicate, probability >= CALLED
    found = {"accuracy": wilson(int((called == y).sum()), len(y))}
    if called.any():
        found["precision"] = wilson(int((called & y).sum()), int(called.sum()))
    if y.any():
        found["recall"] = wilson(int((called & y).sum()), int(y.sum()))
    found |= bootstrap({"f1": f1, "auc": _area, "ap": average_precision}, pairs, probability, seed=seed)
    found["ece"] = expected_error(probability, y, seed=seed)
    return found


def bootstrap(
    measures: dict[str, Callable[[Bools, Floats], float]], pairs: Labelled, score: Floats, *, seed: int
) -> dict[str, Estimate]:
    """Each measure with the percentiles of `RESAMPLES` resamples, in which whole components are drawn; {} for one label only.

    Resamples that lack a label count for nothing.
    """
    if not 0 < pairs.duplicate.sum() < len(pairs):
        return {}
    random = np.random.default_rng(seed)
    order = np.argsort(pairs.component, kind="stable")
    starts = np.unique(pairs.component[order], return_index=True)[1]
    groups = np.split(order, starts[1:])
    values = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([groups[k] for k in random.integers(len(groups), size=len(groups))])
        if 0 < pairs.duplicate[rows].sum() < len(rows):
            values.append([measure(pairs.duplicate[rows], score[rows]) for measure in measures.values()])
    bounds = np.quantile(values, (0.025, 0.975), axis=0) if values else np.tile([[0.0], [1.0]], len(measures))
    found = {}
    for (name, measure), low, high in zip(measures.items(), *bounds, strict=True):
        value = measure(pairs.duplicate, score)
        found[name] = Estimate(value, min(value, float(low)), max(value, float(high)), len(score))
    return found


def f1(y: Bools, probability: Floats) -> float:
    """Twice the pairs rightly called over those called and those to be called, together."""
    called = probability >= CALLED
    return float(2 * (called & y).sum() / max(1, called.sum() + y.sum()))


def average_precision(y: Bools, score: Floats) -> float:
    """The mean, over the duplicates, of the precision at the score of each; of equal scores all or none is called."""
    order = np.argsort(-score, kind="stable")
    right, last = np.cumsum(y[order]), np.append(np.diff(score[order]) != 0, True)
    hits, called = right[last], np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) * hits / called).sum() / max(1, y.sum()))


def _area(y: Bools, score: Floats) -> float:
    found = auc(score, y)
    return 0.5 if found is None else found.value
