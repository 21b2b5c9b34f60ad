"""From which confidence on a network should answer, so that few of its answers are wrong.

The threshold is found by bisection over the confidences of the examples, with an upper bound of the errors above each one that
is tried which holds for all of these at once (Geifman and El-Yaniv 2017, Selective Classification for Deep Neural Networks,
NeurIPS 30, algorithm 1): that of Clopper and Pearson at 2.5% over the number of tries.
"""

from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.grouped import exact_share_of, share_of
from dlcli.specs.abstention import Abstention

Bools = NDArray[np.bool_]


def abstention(confidence: Floats, correct: Bools, risk: float, group: Labels | None = None) -> Abstention:
    """Find by bisection a threshold whose errors are bounded by `risk`.

    It is bounded there and not at the next lower confidence. The share of errors need not fall as the threshold rises, so a
    lower threshold may be bounded too, or one where none is found; trying them all would cost a wider bound at each.

    Args:
        confidence: The probability of the predicted class, (n,).
        correct: Whether that is right, (n,).
        risk: The largest share of errors among the answered examples, in (0, 1).
        group: The group of each example, (n,) from 0 on, if they come in groups.
    """
    levels = np.unique(confidence)
    tries = max(1, ceil(log2(len(levels) + 1)))
    low, high = 0, len(levels)  # at `high` the bound holds, for no example is answered
    while low < high:
        middle = (low + high) // 2
        inside = confidence >= levels[middle]
        bound = exact_share_of(~correct[inside], None if group is None else group[inside], among=tries).high
        low, high = (low, middle) if bound <= risk else (middle + 1, high)
    if high == len(levels):
        return Abstention(risk=risk, threshold=None, answered=None, errors=None)
    inside = confidence >= levels[high]
    errors = exact_share_of(~correct[inside], None if group is None else group[inside], among=tries)
    return Abstention(risk=risk, threshold=float(levels[high]), answered=share_of(inside, group), errors=errors)


def risk_by_coverage(confidence: Floats, correct: Bools) -> tuple[Floats, Floats]:
    """The share of errors among the examples with the highest confidence, for each share of examples.

    Args:
        confidence: The probability of the predicted class, (n,).
        correct: Whether that is right, (n,).

    Returns:
        The share of the examples that are answered, and that of errors among them, (levels,) each.
    """
    order = np.argsort(-confidence, kind="stable")
    last = np.append(np.diff(confidence[order]) != 0, True)  # equal confidences are answered together
    answered = np.arange(1, len(order) + 1)
    return answered[last] / len(order), (np.cumsum(~correct[order]) / answered)[last]
