"""How differently the members of an ensemble decide: what combining them can live on.

Source of both measures: Kuncheva and Whitaker (2003), Measures of Diversity in Classifier Ensembles and Their Relationship
with the Ensemble Accuracy, Machine Learning 51, 181-207, section 2.1; the disagreement is that of the labels they give.
"""

from math import atanh, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

from dlcli.core.grouped import mean_share
from dlcli.core.stats import Z
from dlcli.specs.estimates import Estimate, PointEstimate

_ROUNDING = 1e-9

Groups = NDArray[np.integer] | None


def disagreement(labels: NDArray[np.integer], group: Groups = None) -> Estimate:
    """The share of examples on which two members name different classes, a mean over all pairs; `labels` is (members, n).

    The interval is over examples, or over groups (n,) of them, for these members.
    """
    members, n = labels.shape
    pairs = members * (members - 1) / 2
    votes = np.zeros((int(labels.max()) + 1, n))
    for row in labels:
        votes[row, np.arange(n)] += 1
    agreeing = (votes * (votes - 1) / 2).sum(0)
    return mean_share(1 - agreeing / pairs, group)


def error_correlation(wrong: NDArray[np.bool_], group: Groups = None) -> Estimate | PointEstimate | None:
    """Pearson's correlation of two members' errors, a mean over the pairs.

    A member that is always right, or never, has none. The interval is over examples, or groups: the delta method on Fisher's z,
    from how much each changes the mean. There is none for a mean of 1 or -1.

    Args:
        wrong: Where members are wrong, (members, n).
        group: The group of each example, (n,) from 0 on, if they come in groups.

    Returns:
        The correlation; None if there is no pair of members that are sometimes right and sometimes wrong.
    """
    uneven = wrong[wrong.any(1) & ~wrong.all(1)]
    if len(uneven) < 2:
        return None
    values = uneven.astype(np.float64)
    members, n = values.shape
    correlations = np.atleast_2d(np.corrcoef(values))
    mean = float(correlations[np.triu_indices(members, 1)].mean())
    z = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    # Of a pair with correlation r it is z1 z2 - r (z1^2 + z2^2) / 2; here the sum over all pairs.
    change = (z.sum(0) ** 2 - (z**2).sum(0)) / 2 - ((correlations.sum(1) - 1) @ z**2) / 2
    if group is not None:
        change = np.bincount(group, change - change.mean())
    error = sqrt(float(((change - change.mean()) ** 2).sum())) / (members * (members - 1) / 2) / n
    if abs(mean) > 1 - _ROUNDING:
        return PointEstimate(value=mean, n=n, why="equal errors" if mean > 0 else "opposite errors")
    low, high = (tanh(atanh(mean) + side * Z * error / (1 - mean**2)) for side in (-1, 1))
    return Estimate(mean, min(mean, low), max(mean, high), n)
