"""The area under the ROC curve and the average precision of scores, and how much each example moves them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class RankedFigure(NamedTuple):
    """A figure, and by how much more weight of each example moves it, (n,): they sum to 0."""

    value: float
    influence: Floats


class RankedExamples(NamedTuple):
    """Examples by descending score, those with equal scores together.

    Attributes:
        tie: Which of the distinct scores each example has, (n,), 0 is the highest.
        hits: Positive examples at each distinct score.
        all: Examples at each.
        positive: Which examples are positive, (n,), some and not all.
    """

    tie: NDArray[np.intp]
    hits: Floats
    all: Floats
    positive: NDArray[np.bool_]

    def auc(self) -> RankedFigure:
        """The area under the ROC curve, a tie counting half; influences are DeLong's (1988, Biometrics 44) components."""
        above = np.cumsum(self.hits) - self.hits / 2
        misses = self.all - self.hits
        below = misses.sum() - (np.cumsum(misses) - misses / 2)
        positives, negatives = float(self.hits.sum()), float(misses.sum())
        value = float((self.hits * below).sum() / (positives * negatives))
        of_positive, of_negative = (below / negatives - value) / positives, (above / positives - value) / negatives
        return RankedFigure(value, np.where(self.positive, of_positive[self.tie], of_negative[self.tie]))

    def average_precision(self) -> RankedFigure:
        """The precision at each distinct score, weighted by the positives there, as scikit-learn defines it."""
        above, called, positives = np.cumsum(self.hits), np.cumsum(self.all), float(self.hits.sum())
        precision = above / called
        value = float((self.hits * precision).sum() / positives)
        # An example is among those called at its own score and at every lower one.
        lost = np.cumsum((self.hits * precision / called)[::-1])[::-1]
        gained = np.cumsum((self.hits / called)[::-1])[::-1]
        of_positive = (precision - value + gained - lost) / positives
        return RankedFigure(value, np.where(self.positive, of_positive[self.tie], -lost[self.tie] / positives))


def rank(scores: Floats, positive: NDArray[np.bool_], weights: Floats | None = None) -> RankedExamples:
    """Sort examples by descending score.

    Args:
        scores: Their scores, (n,).
        positive: Which are positive, (n,), some and not all.
        weights: How much each counts, (n,); None for 1.
    """
    order = np.argsort(-scores, kind="stable")
    steps = begins(scores[order])
    starts = np.flatnonzero(steps)
    tie = np.empty(len(scores), dtype=np.intp)
    tie[order] = np.cumsum(steps) - 1
    counted = np.ones(len(scores)) if weights is None else weights[order]
    hits, every = (np.add.reduceat(values, starts) for values in (counted * positive[order], counted))
    return RankedExamples(tie, hits, every, positive)


def begins(ordered: Floats) -> NDArray[np.bool_]:
    """Where each distinct score begins in sorted ones, (n,); infinite scores, as of a probability of 0 or 1, are equal too."""
    return np.append(True, ordered[1:] != ordered[:-1])


class Smoothed(NamedTuple):
    """A figure with a little more of what may happen, for its variance.

    Attributes:
        value: The figure.
        influence: By how much more weight of each example moves it, (n,).
        more: The variance that the added examples contribute.
    """

    value: float
    influence: Floats
    more: float


def smoothed(scores: Floats, positive: NDArray[np.bool_], weight: float, size: float) -> tuple[Smoothed, Smoothed]:
    """AUC and average precision once a positive and a negative example are added at the median of either kind.

    Scores that are in perfect order by chance would seem to be never out of order.

    Args:
        scores: The scores, (n,).
        positive: Which examples are positive, (n,), some and not all.
        weight: The weight of each of the four examples.
        size: Examples in a group that they stand for.

    Returns:
        Both figures.
    """
    middles = [_middle(scores[positive == kind]) for kind in (True, False)]
    every = rank(
        np.concatenate([scores, np.repeat(middles, 2)]),
        np.concatenate([positive, [True, False, True, False]]),
        np.concatenate([np.ones(len(scores)), np.full(4, weight)]),
    )
    auc, ap = (
        Smoothed(value, influence[:-4], weight * size * float((influence[-4:] ** 2).sum()))
        for value, influence in (every.auc(), every.average_precision())
    )
    return auc, ap


def _middle(scores: Floats) -> float:
    """The median; 0, which lies between them as well, if the two in the middle are minus and plus infinity."""
    with np.errstate(invalid="ignore"):
        found = float(np.median(scores))
    return 0.0 if np.isnan(found) else found
