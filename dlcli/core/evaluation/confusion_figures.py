"""Figures of a whole confusion matrix: balanced accuracy, macro precision, macro F1 and MCC, as scikit-learn defines them.

How much an example moves a figure depends on its cell only. The variance that follows (the delta method) tells how many
independent examples would vary as much as a share does, and the interval is that of a proportion for that number: it holds near
the ends of the scale, where that of a normal distribution does not. A quarter of an example that is right, and one that is
wrong, is added to each class before the variance is estimated, or groups of that weight, since cells that are empty by chance
would seem never to be filled.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.effective import effective_by_influence
from dlcli.core.proportion import effective_share
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.support.plural import count

PSEUDO = 0.25
"""Examples that are added before a variance is estimated."""
FEWEST = 10
"""Examples that each class must have, or the mean over classes is too far from normal for an interval."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class CellFigure(NamedTuple):
    """A figure in [0, 1], and by how much one more example in each cell moves it, (classes, classes)."""

    value: float
    influence: Floats


def balanced_accuracy(cells: Floats) -> CellFigure:
    """The mean over the classes that have examples of the share that is right; `cells` count by true and predicted class."""
    totals = cells.sum(1)
    shares, each = _shares(np.diag(cells), totals)
    influence = (np.diag(np.ones(len(cells))) - shares[:, None]) * each[:, None]
    return CellFigure(float(shares.sum() / (totals > 0).sum()), influence / (totals > 0).sum())


def macro_precision(cells: Floats) -> CellFigure:
    """The mean precision over the classes that are true or predicted somewhere; 0 for one that is never predicted."""
    totals = cells.sum(0)
    shares, each = _shares(np.diag(cells), totals)
    influence = (np.diag(np.ones(len(cells))) - shares[None, :]) * each[None, :]
    present = int(((totals > 0) | (cells.sum(1) > 0)).sum())
    return CellFigure(float(shares.sum() / present), influence / present)


def macro_f1(cells: Floats) -> CellFigure:
    """The mean F1 over the classes that are true or predicted somewhere."""
    totals = cells.sum(0) + cells.sum(1)
    shares, each = _shares(2 * np.diag(cells), totals)
    moved = shares * each
    present = int((totals > 0).sum())
    influence = np.diag(2 * each) - moved[:, None] - moved[None, :]
    return CellFigure(float(shares.sum() / present), influence / present)


def matthews(cells: Floats) -> CellFigure:
    """The correlation of true and predicted classes (Gorodkin 2004, Comput. Biol. Chem. 28, eq. 8), 0 if one is constant.

    The value is (1 + MCC) / 2, a share: of two classes with equally many examples and predictions it is the accuracy.
    """
    n, right, true, called = cells.sum(), np.trace(cells), cells.sum(1), cells.sum(0)
    spread, both = n * n - (called**2).sum(), n * n - (true**2).sum()
    if spread <= 0 or both <= 0:
        return CellFigure(0.5, np.zeros_like(cells))
    root = (spread * both) ** 0.5
    value = float((right * n - called @ true) / root)
    slope = np.diag(np.full(len(cells), n)) + right - called[:, None] - true[None, :]
    bend = (n - called)[None, :] / spread + (n - true)[:, None] / both
    return CellFigure((1 + value) / 2, (slope / root - value * bend) / 2)


OF_CELLS: dict[str, Callable[[Floats], CellFigure]] = {
    "balanced-accuracy": balanced_accuracy,
    "macro-precision": macro_precision,
    "macro-f1": macro_f1,
    "mcc": matthews,
}


def confusion_figures(y: Labels, predicted: Labels, group: Labels | None = None) -> dict[str, Estimate | PointEstimate]:
    """The figures of `OF_CELLS`, with intervals.

    Args:
        y: True classes, (n,).
        predicted: Predicted ones, (n,).
        group: The group of each example, (n,) from 0 on, if they come in groups.

    Returns:
        The figures by name. A mean over classes has no interval if one of them has fewer than `FEWEST` examples. Balanced
        accuracy is over the classes that have examples; in the others a class that is only predicted counts with 0, which a
        single prediction more may add.
    """
    # Classes that are nowhere change nothing, and a network may have a thousand of them.
    known, numbers = np.unique(np.concatenate([y, predicted]), return_inverse=True)
    true, called = numbers[: len(y)], numbers[len(y) :]
    k = len(known)
    cells = np.bincount(true * k + called, minlength=k * k).reshape(k, k).astype(np.float64)
    size = group_size(group)
    pseudo = PSEUDO * size * _added(cells)
    totals = cells.sum(1)
    fewest = {name: int(totals.min()) for name in OF_CELLS} | {"balanced-accuracy": int(totals[totals > 0].min())}
    found: dict[str, Estimate | PointEstimate] = {}
    for name, figure in OF_CELLS.items():
        value = figure(cells).value
        if name != "mcc" and fewest[name] < FEWEST:
            few = fewest[name]
            why = f"a class has {count(few, 'example')}" if few else "a class is predicted that no example is of"
            found[name] = PointEstimate(value=value, n=len(y), why=why)
            continue
        usual = figure(cells + pseudo)
        more = float((pseudo * usual.influence**2).sum()) * size
        independent = effective_by_influence(usual.value, usual.influence[true, called], group, more=more)
        share = effective_share(min(value, 1.0) * len(y), len(y), independent)
        found[name] = _correlation(share) if name == "mcc" else share
    return found


def group_size(group: Labels | None) -> float:
    """The size of the group that an example is in, on average; 1 without groups."""
    return 1.0 if group is None else float((np.bincount(group) ** 2).sum() / len(group))


def _shares(hits: Floats, totals: Floats) -> tuple[Floats, Floats]:
    """Hits by totals and 1 by totals, 0 where there are none."""
    each = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0)
    return hits * each, each


def _added(cells: Floats) -> Floats:
    """An example of each class that is right, and one that is wrong, spread over the other classes."""
    k = len(cells)
    others = (1 - np.eye(k)) / (k - 1) if k > 1 else np.zeros((1, 1))
    added: Floats = (cells.sum(1) > 0)[:, None] * (np.eye(k) + others)
    return added


def _correlation(share: Estimate) -> Estimate:
    return Estimate(2 * share.value - 1, 2 * share.low - 1, 2 * share.high - 1, share.n)
