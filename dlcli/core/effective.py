"""How many independent examples would vary as much as a figure does, from how much each example moves it."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dlcli.core.grouped import group_sums
from dlcli.core.jackknife import LEAST_GROUPS
from dlcli.core.stats import Z

_FEWEST_DEGREES = 3.0
"""Below these Student's t has no variance."""


def effective_by_influence(
    value: float, influence: NDArray[np.float64], group: NDArray[np.integer] | None = None, *, more: float = 0.0
) -> float:
    """The number n for which value (1 - value) / n is the variance of the figure, by the delta method, less what is uncertain.

    A variance to which few examples contribute is itself uncertain. Student's t with the degrees of freedom of Satterthwaite
    (1946, Biometrics Bull. 2), 2 m / (kurtosis - 1) for m influences, is wider than the normal distribution, and the number is
    smaller by as much.

    Args:
        value: The figure, in [0, 1].
        influence: By how much each example moves it, (n,).
        group: The group of each example, (n,) from 0 on, if they come in groups: these are drawn then.
        more: Variance to be added.

    Returns:
        The number of examples, or of groups that have one that could move the figure, if nothing varies; 0 for fewer than five
        groups.
    """
    if group is not None:
        there = np.bincount(group) > 0
        influence = group_sums(influence, group)[there]
        if len(influence) < LEAST_GROUPS:
            return 0.0
    m, squares = len(influence), float((influence**2).sum())
    variance = squares * m / max(1, m - 1) + more
    if variance <= 0 or value * (1 - value) <= 0:
        return float(m)
    return value * (1 - value) / variance * (Z / float(stdtrit(_degrees(influence, squares), 0.975))) ** 2


def _degrees(influence: NDArray[np.float64], squares: float) -> float:
    """The degrees of freedom of the sum of squares of influences, whose mean is 0."""
    m = len(influence)
    if squares == 0:
        return max(_FEWEST_DEGREES, m - 1.0)
    kurtosis = m * float((influence**4).sum()) / squares**2
    return max(_FEWEST_DEGREES, min(m - 1.0, 2 * m / max(kurtosis - 1, 1e-9)))
