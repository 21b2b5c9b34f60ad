"""Metrics of a score of labelled pairs, with 95% intervals.

Areas and F1 are bootstrapped over components: pairs that share questions resemble each other, so drawing single pairs would
make the intervals too narrow.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.calibration import expected_error
from dlcli.core.evaluation.metrics import auc
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.stats import wilson
from dlcli.specs.estimates import Estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DECISION_THRESHOLD = 0.5
"""Pairs with at least this probability count as predicted duplicates."""
RESAMPLES = 300
FEW = 10
"""With fewer components than this, or fewer pairs of a label than half of it, resamples tell nothing about the spread."""


def evaluate_pairs(pairs: LabelledPairs, probability: Floats, *, seed: int = 0) -> dict[str, Estimate]:
    """Accuracy, precision, recall and F1 at `DECISION_THRESHOLD`, AUC, average precision (AP) and ECE, by name.

    Accuracy, precision and recall have Wilson's interval, AUC, AP and F1 percentiles of a bootstrap over components, and ECE,
    for the probability of a duplicate, the interval of `expected_error`. A metric without a value is omitted, such as
    precision where no pair is predicted to be a duplicate.

    Args:
        pairs: Labelled pairs.
        probability: Predicted probability of a duplicate, (pairs,).
        seed: Seed of the bootstrap.

    Returns:
        The estimate of each metric that has a value.
    """
    y, predicted = pairs.duplicate, probability >= DECISION_THRESHOLD
    found = {"accuracy": wilson(int((predicted == y).sum()), len(y))}
    if predicted.any():
        found["precision"] = wilson(int((predicted & y).sum()), int(predicted.sum()))
    if y.any():
        found["recall"] = wilson(int((predicted & y).sum()), int(y.sum()))
    found |= bootstrap({"f1": f1, "auc": _auc, "ap": average_precision}, pairs, probability, seed=seed)
    found["ece"] = expected_error(probability, y, seed=seed)
    if has_few(pairs):
        found["ece"] = replace(found["ece"], low=0.0, high=1.0)
    return found


def has_few(pairs: LabelledPairs) -> bool:
    """Whether there are too few pairs to estimate intervals by resampling; they are then [0, 1], which says nothing."""
    label = min(int(pairs.duplicate.sum()), int((~pairs.duplicate).sum()))
    return len(np.unique(pairs.component)) < FEW or 2 * label < FEW


def bootstrap(
    metrics: dict[str, Callable[[Bools, Floats], float]], pairs: LabelledPairs, score: Floats, *, seed: int
) -> dict[str, Estimate]:
    """Each metric with percentiles of `RESAMPLES` resamples of whole components; resamples that lack a label are discarded.

    The interval is [0, 1] for a few pairs (see `has_few`).

    Args:
        metrics: Functions of labels and scores, (pairs,) each, by name.
        pairs: Labelled pairs.
        score: Score of each pair, (pairs,).
        seed: Seed of the draws.

    Returns:
        The estimate of each metric; none if all pairs have the same label.
    """
    if not 0 < pairs.duplicate.sum() < len(pairs):
        return {}
    random = np.random.default_rng(seed)
    order = np.argsort(pairs.component, kind="stable")
    starts = np.unique(pairs.component[order], return_index=True)[1]
    groups = np.split(order, starts[1:])
    values = []
    for _ in range(0 if has_few(pairs) else RESAMPLES):
        rows = np.concatenate([groups[k] for k in random.integers(len(groups), size=len(groups))])
        if 0 < pairs.duplicate[rows].sum() < len(rows):
            values.append([metric(pairs.duplicate[rows], score[rows]) for metric in metrics.values()])
    bounds = np.quantile(values, (0.025, 0.975), axis=0) if values else np.tile([[0.0], [1.0]], len(metrics))
    found = {}
    for (name, metric), low, high in zip(metrics.items(), *bounds, strict=True):
        value = metric(pairs.duplicate, score)
        found[name] = Estimate(value, min(value, float(low)), max(value, float(high)), len(score))
    return found


def f1(y: Bools, probability: Floats) -> float:
    """The harmonic mean of precision and recall at `DECISION_THRESHOLD`."""
    predicted = probability >= DECISION_THRESHOLD
    return float(2 * (predicted & y).sum() / max(1, predicted.sum() + y.sum()))


def average_precision(y: Bools, score: Floats) -> float:
    """The mean over all duplicates of the precision at the score of each; pairs of equal score count as one threshold."""
    order = np.argsort(-score, kind="stable")
    true_positives, last = np.cumsum(y[order]), np.append(np.diff(score[order]) != 0, True)
    hits, predicted = true_positives[last], np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) * hits / predicted).sum() / max(1, y.sum()))


def _auc(y: Bools, score: Floats) -> float:
    found = auc(score, y)
    return 0.5 if found is None else found.value
