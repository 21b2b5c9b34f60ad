"""How many independent examples would vary as much as a figure does, from how much each example moves it."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dlcli.core.grouped import group_sums
from dlcli.core.jackknife import LEAST_GROUPS
from dlcli.core.stats import Z


def effective_by_influence(
    value: float, influence: NDArray[np.float64], group: NDArray[np.integer] | None = None, *, more: float = 0.0
) -> float:
    """The number n for which value (1 - value) / n is the variance of the figure, by the delta method.

    Args:
        value: The figure, in [0, 1].
        influence: By how much each example moves it, (n,).
        group: The group of each example, (n,) from 0 on, if they come in groups: these are drawn then.
        more: Variance to be added.

    Returns:
        The number of examples, or of groups that have one that could move the figure, if nothing varies; 0 for fewer than five
        groups. Few groups are counted less, as Student's t is wider than the normal distribution.
    """
    spread = value * (1 - value)
    alone = _number(spread, float((influence**2).sum()) + more, len(influence))
    if group is None:
        return alone
    sizes = np.bincount(group)
    groups = int((sizes > 0).sum())
    if groups < LEAST_GROUPS:
        return 0.0
    moved = float((group_sums(influence, group) ** 2).sum()) * groups / (groups - 1)
    found = min(alone, _number(spread, moved + more, groups))
    size = float((sizes**2).sum() / len(group))
    wider = float(stdtrit(max(1.0, len(group) / size - 1), 0.975)) / Z if size > 1 else 1.0
    return found / wider**2


def _number(spread: float, variance: float, most: int) -> float:
    return spread / variance if variance > 0 and spread > 0 else float(most)
