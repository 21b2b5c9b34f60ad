"""What figures of a ranking can be where scores are equal, as probabilities are that a table rounds to 0, 1 or nine digits.

A figure counts ties in its own way; another program, or the network with all its digits, orders them otherwise. All that these
orders can give lies between two ends.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.ranked import begins

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Ends(NamedTuple):
    """The lowest and the highest value of a figure over all orders of equal scores."""

    low: float
    high: float


def top_k_ends(scores: Floats, y: NDArray[np.int64], k: int) -> Ends:
    """Those of the share of examples whose label is among the `k` outputs of highest score.

    Args:
        scores: Scores of the outputs, (n, outputs).
        y: True classes, (n,).
        k: Number of outputs.

    Returns:
        The ends.
    """
    own = scores[np.arange(len(y)), y][:, None]
    return Ends(float(((scores >= own).sum(1) <= k).mean()), float(((scores > own).sum(1) < k).mean()))


def area_ends(scores: Floats, positive: Bools) -> tuple[Ends, Ends]:
    """Those of the area under the ROC curve, and of the average precision.

    Args:
        scores: The scores, (n,).
        positive: Which examples are positive, (n,), some and not all.

    Returns:
        The ends of both.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(begins(scores[order]))
    hits, every = (np.add.reduceat(values.astype(np.int64), starts) for values in (positive[order], np.ones(len(scores))))
    misses, above, called = every - hits, np.cumsum(hits) - hits, np.cumsum(every) - every
    positives = int(hits.sum())
    pairs = positives * (len(scores) - positives)
    area = Ends(float((misses * above).sum() / pairs), float((misses * (above + hits)).sum() / pairs))
    # The j-th positive at a score is called after all others there, or with the positives alone.
    each = np.arange(1, positives + 1)
    before, equal, place = (np.repeat(values, hits) for values in (called, misses, above))
    last = each / (before + equal + each - place)
    first = np.repeat(above + hits, hits) / (before + np.repeat(hits, hits))
    return area, Ends(float(last.mean()), float(first.mean()))
