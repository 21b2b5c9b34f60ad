"""The share of a variance that lies between groups, from as many values of each group."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtri

from dlcli.core.rater_agreement import intraclass
from dlcli.specs.estimates import Estimate


def share_between(values: ArrayLike) -> Estimate:
    """The share of the variance of `values` (groups, k) that lies between groups, with its interval.

    It is the intraclass correlation ICC(1, 1) of Shrout and Fleiss (1979, Psychol. Bull. 86), whose interval by the F
    distribution is exact for normal effects of groups and values; both are clipped to [0, 1]. Without any variance it is
    unknown: 0 with the interval [0, 1]. Raises ValueError for fewer than two groups or two values of each.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError("at least two groups of two values are needed")
    groups, k = table.shape
    between = k * float(table.mean(1).var(ddof=1))
    within = float(table.var(1, ddof=1).mean())
    if within == 0:
        return Estimate(1.0, 0.0, 1.0, table.size) if between else Estimate(0.0, 0.0, 1.0, table.size)
    ratio, of = between / within, (groups - 1, groups * (k - 1))
    ends = ratio / float(fdtri(*of, 0.975)), ratio * float(fdtri(*of[::-1], 0.975))
    low, high = (min(1.0, max(0.0, (end - 1) / (end + k - 1))) for end in ends)
    return Estimate(min(high, max(low, intraclass(table).icc_1_1)), low, high, table.size)
