"""Whether predicted classes are counted from another number than true labels: from 0, while these are counted from 1."""

from collections.abc import Collection
from math import sqrt

import numpy as np
from numpy.typing import NDArray

_CLEAR = 3.0
"""By how many standard deviations another numbering has to fit better."""
_FEW = 3
"""Rows without a right one that are enough, if another numbering fits most."""

Labels = NDArray[np.int64]


def counted_otherwise(true: Labels, guess: Labels, known: Collection[int], *, all_known: bool) -> int:
    """How much more than the predicted classes the true labels are, 1 or -1, if that fits better; 0 if it does not.

    Labels from 1 to k beside classes from 0 to k - 1 are natural where the lowest ones are apart by 1. Where they are not, the
    other numbering has to fit clearly better, and the given one no better than by chance. Of the classes 0 and 1 either may be
    the only one that occurs.

    Args:
        true: The true labels, (n,).
        guess: The predicted classes, (n,).
        known: The classes that may be predicted.
        all_known: Whether these are all classes, and not those that were predicted.

    Returns:
        1, -1 or 0.
    """
    right, n = int((true == guess).sum()), len(true)
    (labels, of_true), (guesses, of_guess) = (np.unique(one, return_counts=True) for one in (true, guess))
    _, mine, theirs = np.intersect1d(labels, guesses, return_indices=True)
    by_chance, values = float(of_true[mine] @ of_guess[theirs]) / n, {*map(int, labels)}
    low, high = min(values) - min(known), max(values) - max(known)
    for beside in (1, -1):
        times = int((guess + beside == true).sum())
        if times <= right or not values <= {one + beside for one in known}:
            continue
        if all_known:
            natural = (low, beside) == (1, 1) and not {*known} <= {0, 1}
            if natural or (right <= by_chance and clearly_more(times, right, n)):
                return beside
        elif low == beside and (high == beside or beside == 1) and min(len(values), len(known)) > 1:
            return beside
    return 0


def clearly_more(times: int, right: int, n: int) -> bool:
    """Whether another numbering is right more often than chance makes it.

    Args:
        times: Rows in which it is right.
        right: Those in which the given one is.
        n: All rows.
    """
    none = not right and times >= _FEW and 2 * times > n
    return none or times - right > _CLEAR * sqrt(times + right)
