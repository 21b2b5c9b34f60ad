"""How differently the members of an ensemble decide: what combining them can live on.

Source of both measures: Kuncheva and Whitaker (2003), Measures of Diversity in Classifier Ensembles and Their Relationship
with the Ensemble Accuracy, Machine Learning 51, 181-207, section 2.1; the disagreement is that of the labels they give.
"""

import numpy as np
from numpy.typing import NDArray


def disagreement(labels: NDArray[np.integer]) -> float:
    """The share of examples on which two members name different classes, a mean over all pairs; `labels` is (members, n)."""
    members, n = labels.shape
    pairs = members * (members - 1) / 2
    votes = np.zeros((int(labels.max()) + 1, n))
    for row in labels:
        votes[row, np.arange(n)] += 1
    agreeing = (votes * (votes - 1) / 2).sum(0)
    return float(1 - agreeing.mean() / pairs)


def error_correlation(wrong: NDArray[np.bool_]) -> float | None:
    """Pearson's correlation of two members' errors, a mean over the pairs; `wrong` is (members, n).

    A member that is always right, or never, has none; None if there is no pair without such a member.
    """
    uneven = wrong[wrong.any(1) & ~wrong.all(1)]
    if len(uneven) < 2:
        return None
    correlations = np.atleast_2d(np.corrcoef(uneven.astype(np.float64)))
    return float(correlations[np.triu_indices(len(uneven), 1)].mean())
