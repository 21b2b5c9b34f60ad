"""How good predictions are, with 95% intervals: from logits (n, outputs) and labels (n,), in numpy and float64.

A network may have more outputs than the data has classes; labels are then below the number of outputs.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from dlcli.core.bootstrap import bootstrap_t
from dlcli.core.effective import effective_by_influence
from dlcli.core.evaluation.confusion_figures import PSEUDO
from dlcli.core.evaluation.ranked import rank, smoothed
from dlcli.core.grouped import mean_share, share_of
from dlcli.core.proportion import effective_share
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.support.plural import count

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

FEWEST_MISTAKES, FEWEST_GROUPS = 5, 30
"""With fewer mistakes, or groups with one, the negative log-likelihood has no interval."""


def log_probabilities(logits: NDArray[np.floating]) -> Floats:
    """Log softmax over the outputs, (n, outputs)."""
    found: Floats = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return found


def ranking(scores: NDArray[np.floating], k: int) -> Labels:
    """The `k` outputs of highest score, (n, k), best first; of equal scores the lower output comes first."""
    return np.argsort(-np.asarray(scores), axis=1, kind="stable")[:, :k]


def top_k(scores: NDArray[np.floating], y: Labels, k: int, group: Labels | None = None) -> Estimate:
    """The share of examples whose label is among the `k` outputs of highest score.

    Args:
        scores: Scores of the outputs, (n, outputs).
        y: True classes, (n,).
        k: Number of outputs.
        group: The group of each example, (n,) from 0 on, if examples come in groups.

    Returns:
        The share.
    """
    return share_of((ranking(scores, k) == y[:, None]).any(1), group)


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


def class_accuracies(predicted: Labels, y: Labels, classes: int, group: Labels | None = None) -> list[Estimate | None]:
    """The accuracy of each class.

    Args:
        predicted: Predicted outputs, (n,).
        y: True classes, (n,).
        classes: Number of classes.
        group: The group of each example, (n,) from 0 on, if examples come in groups.

    Returns:
        The accuracy by class; None for a class without examples.
    """
    right, found = predicted == y, []
    for k in range(classes):
        of_class = y == k
        inside = None if group is None else group[of_class]
        found.append(share_of(right[of_class], inside) if of_class.any() else None)
    return found


def negative_log_likelihood(log_p: Floats, y: Labels, group: Labels | None = None, *, seed: int) -> Estimate | PointEstimate:
    """The mean of -log p(label), in nats, at least 0, with the bootstrap-t interval.

    A network that is seldom wrong owes the mean to a few mistakes, and nothing tells how large the next one is: there is no
    interval with fewer than `FEWEST_MISTAKES`, or if the probabilities expect fewer. The mistakes that are expected do not vary
    with those that are made, so that samples with an interval are not those with a high mean. By group there is none with fewer
    than `FEWEST_GROUPS` that have a mistake.

    Args:
        log_p: Log-probabilities, (n, outputs).
        y: True classes, (n,).
        group: The group of each example, (n,) from 0 on, if examples come in groups.
        seed: Seed of the resamples.

    Returns:
        The mean, with an interval if there are enough mistakes.
    """
    losses = -log_p[np.arange(len(y)), y]
    why = _too_few_mistakes(log_p, y, group)
    if why:
        return PointEstimate(value=float(losses.mean()), n=len(y), why=why)
    found = bootstrap_t(losses, group, seed=seed)
    return replace(found, low=max(0.0, found.low))


def _too_few_mistakes(log_p: Floats, y: Labels, group: Labels | None = None) -> str:
    """Why `negative_log_likelihood` has no interval for these arguments; empty if it has one."""
    wrong = log_p.argmax(1) != y
    if group is not None:
        mistakes = len(np.unique(group[wrong]))
        return f"{count(mistakes, 'group')} with a mistake" if mistakes < FEWEST_GROUPS else ""
    made, expected = int(wrong.sum()), expected_mistakes(log_p)
    if made < FEWEST_MISTAKES:
        return count(made, "mistake")
    return f"{made} mistakes, {expected:.1f} expected" if expected < FEWEST_MISTAKES else ""


def expected_mistakes(log_p: Floats) -> float:
    """How many mistakes there are among n examples if log-probabilities (n, outputs) are right."""
    return float((1 - np.exp(log_p.max(1))).sum())


def brier(log_p: Floats, y: Labels, group: Labels | None = None) -> Estimate:
    """The mean squared distance of the probabilities from the one-hot label, in [0, 2] (Brier 1950, eq. 2).

    The interval is twice that of half of it as a mean of shares, by `group` (n,) if there is one: that of a proportion of as
    many independent examples as vary alike. Student's t has almost no width before the first mistake.
    """
    p = np.exp(log_p)
    distance = (p**2).sum(1) - 2 * p[np.arange(len(y)), y] + 1
    half = mean_share(np.clip(distance / 2, 0.0, 1.0), group)
    return Estimate(2 * half.value, 2 * half.low, 2 * half.high, half.n)


def auc(scores: Floats, positive: NDArray[np.bool_]) -> Estimate | None:
    """The area under the ROC curve: how often a positive example scores above a negative one, a tie counting half.

    The variance is that of DeLong et al. (1988, Biometrics 44) once a quarter of an example of either kind is added at the
    median of both kinds, since scores in perfect order by chance would seem never to be out of order; Student's t allows for
    the few examples that it comes from. The interval is that of a proportion with this variance, which holds near 1. Variances
    that follow from the area alone (Hanley and McNeil 1982; Newcombe 2006, method 5) are too small where positives vary more
    than negatives and are fewer.

    Args:
        scores: The scores, (n,).
        positive: Which examples are positive, (n,).

    Returns:
        The area; None without both kinds.
    """
    if positive.all() or not positive.any():
        return None
    n, value = len(scores), rank(scores, positive).auc().value
    usual, _ = smoothed(scores, positive, PSEUDO, 1.0)
    independent = effective_by_influence(usual.value, usual.influence, more=usual.more)
    return effective_share(min(1.0, max(0.0, value)) * n, n, independent)
