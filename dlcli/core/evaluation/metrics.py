"""How good predictions are, with 95% intervals: from logits (n, outputs) and labels (n,), in numpy and float64.

A network may have more outputs than the data has classes; labels are then below the number of outputs.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, stdtrit
from scipy.stats import rankdata

from dlcli.core.stats import wilson
from dlcli.specs.estimates import Estimate

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

_Z = 1.959963984540054
"""The 97.5% point of the standard normal distribution."""


def log_probabilities(logits: NDArray[np.floating]) -> Floats:
    """Log softmax over the outputs, (n, outputs)."""
    found: Floats = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return found


def ranking(scores: NDArray[np.floating], k: int) -> Labels:
    """The `k` outputs of highest score, (n, k), best first; of equal scores the lower output comes first."""
    return np.argsort(-np.asarray(scores), axis=1, kind="stable")[:, :k]


def top_k(scores: NDArray[np.floating], y: Labels, k: int) -> Estimate:
    """The share of examples whose label is among the `k` outputs of highest score."""
    hits = (ranking(scores, k) == y[:, None]).any(1)
    return wilson(int(hits.sum()), len(y))


def confusion(predicted: Labels, y: Labels, classes: int, outputs: int) -> NDArray[np.int64]:
    """Count predictions by true class.

    Args:
        predicted: Outputs of highest score, (n,).
        y: True classes, (n,).
        classes: Number of classes.
        outputs: Number of outputs of the network, which may exceed that of the classes.

    Returns:
        Counts (classes, outputs): the rows are true classes, the columns predicted outputs.
    """
    cells = np.bincount(y * outputs + predicted, minlength=classes * outputs)
    return cells.reshape(classes, outputs).astype(np.int64)


def class_accuracies(matrix: NDArray[np.int64]) -> list[Estimate | None]:
    """For each row of a confusion matrix the share on the diagonal; None for a class without examples."""
    totals = matrix.sum(1)
    return [wilson(int(matrix[k, k]), int(n)) if n else None for k, n in enumerate(totals)]


def negative_log_likelihood(log_p: Floats, y: Labels) -> Estimate | None:
    """The mean of -log p(label), in nats, at least 0; None for one example, of which there is no finite interval."""
    return None if len(y) < 2 else mean_estimate(-log_p[np.arange(len(y)), y], 0.0, np.inf)


def brier(log_p: Floats, y: Labels) -> Estimate:
    """The mean squared distance of the probabilities from the one-hot label, in [0, 2] (Brier 1950, eq. 2)."""
    p = np.exp(log_p)
    right = p[np.arange(len(y)), y]
    return mean_estimate((p**2).sum(1) - 2 * right + 1, 0.0, 2.0)


def mean_estimate(values: Floats, lowest: float, highest: float) -> Estimate:
    """The mean of `values` (n,) with Student's interval, held to [lowest, highest]; of one value it is all of that."""
    n, mean = len(values), float(np.mean(values))
    half = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / sqrt(n)) if n > 1 else np.inf
    return Estimate(mean, max(lowest, mean - half), min(highest, mean + half), n)


def auc(scores: Floats, positive: NDArray[np.bool_]) -> Estimate | None:
    """The area under the ROC curve: how often a positive example scores above a negative one, a tie counting half.

    The interval is DeLong's (1988, Biometrics 44, 837-845) held to [0, 1]. Where that has no width, because all pairs are
    ordered alike, it is Wilson's for as many independent pairs as the smaller group allows. None without both groups.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return None
    ranks = rankdata(scores)
    # For each example, the share of the other group that it stands on the right side of.
    above = (ranks[positive] - rankdata(scores[positive])) / n
    below = 1 - (ranks[~positive] - rankdata(scores[~positive])) / m
    area = float(above.mean())
    variance = _variance(above) / m + _variance(below) / n
    if variance <= 0:
        pairs = min(m, n)
        bounds = wilson(area * pairs, pairs)
        return Estimate(area, bounds.low, bounds.high, m + n)
    half = _Z * sqrt(variance)
    return Estimate(area, max(0.0, area - half), min(1.0, area + half), m + n)


def _variance(values: Floats) -> float:
    return float(np.var(values, ddof=1)) if len(values) > 1 else 0.0
