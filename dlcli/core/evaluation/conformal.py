"""Sets of classes that hold the true one with a given probability: split conformal prediction.

A score tells how badly a class fits an example. Of n labelled examples that the network was not trained on, the k-th smallest
score of the true class, k = ceil((n + 1) coverage), is the threshold; a set has all classes whose score is not above it. If the
examples are exchangeable it holds the true class with at least that probability, whatever the network does (Vovk et al. 2005,
Algorithmic Learning in a Random World; Papadopoulos et al. 2002).
"""

from collections.abc import Callable
from math import ceil, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from dlcli.core.evaluation.metrics import Floats, Labels

PENALTY, FREE = 0.05, 2
"""Of `raps`: what each further class costs, and how many cost nothing."""
_ROUNDING = 1e-12

Bools = NDArray[np.bool_]


def lac(p: Floats, u: Floats) -> Floats:
    """1 less the probability: the smallest sets on average (Sadinle et al. 2019, JASA 114).

    Args:
        p: Probabilities, (n, classes).
        u: Uniform random numbers, (n,), which are not used.

    Returns:
        The score of each class, (n, classes).
    """
    return 1 - p


def aps(p: Floats, u: Floats) -> Floats:
    """The probability of all classes down to this one, less a random part of its own (Romano et al. 2020, NeurIPS 33).

    Sets are larger where the network is unsure, so that hard examples are covered as well.

    Args:
        p: Probabilities, (n, classes).
        u: Uniform random numbers, (n,).

    Returns:
        The score of each class, (n, classes).
    """
    order = _order(p)
    score = np.empty_like(p)
    np.put_along_axis(score, order, np.cumsum(np.take_along_axis(p, order, axis=1), axis=1), axis=1)
    return score - u[:, None] * p


def raps(p: Floats, u: Floats) -> Floats:
    """`aps` and a penalty for each class after the first ones, which makes sets smaller (Angelopoulos et al. 2021, ICLR).

    Args:
        p: Probabilities, (n, classes).
        u: Uniform random numbers, (n,).

    Returns:
        The score of each class, (n, classes).
    """
    rank = np.empty(p.shape)
    np.put_along_axis(rank, _order(p), np.broadcast_to(np.arange(1.0, p.shape[1] + 1), p.shape), axis=1)
    return aps(p, u) + PENALTY * np.maximum(0.0, rank - FREE)


SCORES: dict[str, Callable[[Floats, Floats], Floats]] = {"lac": lac, "aps": aps, "raps": raps}


class Threshold(NamedTuple):
    """The threshold, and how many examples it was found on.

    Attributes:
        value: Classes with a score of at most this are in a set; infinite if there are too few examples for any other.
        n: Number of examples.
        rank: Which of their scores it is, from 1 on.
    """

    value: float
    n: int
    rank: int

    @property
    def least(self) -> float:
        """The coverage that 95% of calibration sets of this size exceed: a quantile of the beta distribution (Vovk 2012)."""
        if self.rank > self.n:
            return 1.0
        return float(betaincinv(self.rank, self.n + 1 - self.rank, 0.05))


def threshold(score: Floats, y: Labels, coverage: float) -> Threshold:
    """Find the threshold on labelled examples.

    Args:
        score: The score of each class, (n, classes).
        y: The true classes, (n,).
        coverage: How often a set has to hold the true class, in (0, 1).
    """
    of_true = np.sort(score[np.arange(len(y)), y])
    rank = ceil((len(y) + 1) * coverage - _ROUNDING)
    return Threshold(float(of_true[rank - 1]) if rank <= len(y) else inf, len(y), rank)


def sets(p: Floats, score: Floats, found: Threshold) -> Bools:
    """Which classes are in the set of each example, (n, classes): at least the most probable one."""
    inside = score <= found.value + _ROUNDING
    inside[np.arange(len(p)), p.argmax(1)] = True
    return inside


def _order(p: Floats) -> NDArray[np.intp]:
    """The classes of each example, the most probable first."""
    return np.argsort(-p, axis=1, kind="stable")
