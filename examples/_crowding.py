"""Fit how the other pairs of a table count for a pair, for both fits of a score."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from dlcli.core.text.scoring.crowding import Crowding, Others, Weights, others
from dlcli.core.text.search.neighbours import Pairs

Floats = NDArray[np.float64]


class ScoredTable(NamedTuple):
    """Pairs of a table with the log-odds of a score that has not seen its kind.

    Attributes:
        pairs: The numbers of their texts.
        odds: Their log-odds, (pairs,).
        duplicate: Whether each is a duplicate, (pairs,).
        size: Number of texts of the table.
        large: Whether some of its groups are large.
    """

    pairs: Pairs
    odds: Floats
    duplicate: NDArray[np.bool_]
    size: int
    large: bool

    def others(self) -> Others:
        """What the other pairs tell of each."""
        return others(self.pairs, expit(self.odds), self.size)

    def density(self, crowding: Crowding) -> float:
        """The density of the table."""
        return crowding.density(self.pairs, expit(self.odds), self.others(), self.size)

    def corrected(self, crowding: Crowding) -> Floats:
        """The probability of each pair."""
        return crowding.corrected(expit(self.odds), self.others(), self.density(crowding))


def fit_crowding(tables: Sequence[ScoredTable]) -> Crowding:
    """How the other pairs of a table count: logistic regression, in which all weights depend on the density of the table.

    Args:
        tables: The tables, some of them with large groups.

    Returns:
        The weights; the first ones are fitted on tables of small groups alone.
    """
    told = [columns(table) for table in tables]
    small = [k for k, table in enumerate(tables) if not table.large]
    model = regression([tables[k].duplicate for k in small], [told[k][:, :2] for k in small])
    slope, differing = model.coef_[0].tolist()
    first = Weights(slope, float(model.intercept_[0]), differing, 0.0)
    dense = [table.density(Crowding(first, first, first)) for table in tables]
    with_density = [np.column_stack([x, np.full(len(x), t), t * x]) for x, t in zip(told, dense, strict=True)]
    model = regression([table.duplicate for table in tables], with_density)
    slope, differing, common, rise, *changes = model.coef_[0].tolist()
    few = Weights(slope, float(model.intercept_[0]), differing, common)
    more_slope, more_differing, more_common = changes
    many = Weights(slope + more_slope, few.intercept + rise, max(0.0, differing + more_differing), common + more_common)
    return Crowding(first, few, many)


def columns(table: ScoredTable) -> Floats:
    """The log-odds, disagreement and logarithm of what is common of each pair, (pairs, 3)."""
    found = table.others()
    return np.column_stack([table.odds, -found.disagreement, np.log1p(found.common)])


def regression(duplicate: Sequence[NDArray[np.bool_]], x: Sequence[Floats]) -> LogisticRegression:
    """Logistic regression of whether pairs are duplicates on columns, (pairs, k) of each table, which have the same weight."""
    y = np.concatenate(duplicate)
    # The solver stops by the size of the gradient, so the weights have a mean of 1.
    each = len(y) / sum(len(table) > 0 for table in x)
    weight = np.concatenate([np.full(len(table), each / max(1, len(table))) for table in x])
    return LogisticRegression(C=np.inf, max_iter=1000).fit(np.concatenate(x), y, sample_weight=weight)
