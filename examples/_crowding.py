"""Fit how the other pairs of a table count for a pair, for both fits of a score."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from dlcli.core.text.scoring.crowding import Crowding, Others, Traits, Weights, others
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

    def traits(self, crowding: Crowding) -> Traits:
        """The traits of the table."""
        return crowding.traits(self.pairs, expit(self.odds), self.others(), self.size)

    def corrected(self, crowding: Crowding) -> Floats:
        """The probability of each pair."""
        return crowding.corrected(expit(self.odds), self.others(), self.traits(crowding))

    def without_duplicates(self) -> "ScoredTable":
        """The table with the first text alone of each of its groups."""
        same = sp.coo_array(
            (np.ones(self.duplicate.sum()), (self.pairs.first[self.duplicate], self.pairs.second[self.duplicate])),
            shape=(self.size, self.size),
        )
        number, group = connected_components(same, directed=False)
        kept = np.zeros(self.size, bool)
        kept[np.unique(group, return_index=True)[1]] = True
        rows, inside = np.cumsum(kept) - 1, kept[self.pairs.first] & kept[self.pairs.second]
        first, second, score = (part[inside] for part in (self.pairs.first, self.pairs.second, self.pairs.score))
        return ScoredTable(
            Pairs(rows[first], rows[second], score), self.odds[inside], self.duplicate[inside], number, self.large
        )


def fit_crowding(tables: Sequence[ScoredTable]) -> Crowding:
    """How the other pairs of a table count: logistic regression, in which all weights depend on the density of the table.

    How much the separation counts is fitted at last, with all other weights as they are.

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
    dense = [table.traits(Crowding(first, first, first, 0.0, 0.0)).density for table in tables]
    with_density = [np.column_stack([x, np.full(len(x), t), t * x]) for x, t in zip(told, dense, strict=True)]
    model = regression([table.duplicate for table in tables], with_density)
    slope, differing, common, rise, *changes = model.coef_[0].tolist()
    few = Weights(slope, float(model.intercept_[0]), differing, common)
    more_slope, more_differing, more_common = changes
    many = Weights(slope + more_slope, few.intercept + rise, max(0.0, differing + more_differing), common + more_common)
    usual = [tables[k] for k in small]
    rare = [table.without_duplicates() for table in usual[::2]]
    plain = Crowding(first, few, many, 0.0, 0.0)
    return replace(plain, **fit_separation([*usual, *rare], plain))


def fit_separation(tables: Sequence[ScoredTable], crowding: Crowding) -> dict[str, float]:
    """How much the separation of a table counts: logistic regression on it alone, beside the log-odds of the pairs.

    Args:
        tables: The tables, which have the same weight; in many there are no duplicates, as in many that people have.
        crowding: All other weights.

    Returns:
        The factors `look_alikes`, of tables with a separation below 0, and `clear`, of those above.
    """
    found: dict[str, list[tuple[Floats, Floats, Floats]]] = {"look_alikes": [], "clear": []}
    for table in tables:
        if len(table.odds):
            apart, odds = table.traits(crowding).separation, logit(table.corrected(crowding).clip(1e-6, 1 - 1e-6))
            shift = apart * table.others().alone if apart > 0 else np.full(len(odds), apart)
            sign = np.where(table.duplicate, -1.0, 1.0)
            found["clear" if apart > 0 else "look_alikes"].append((sign, odds, shift))

    def loss(weight: float, of: list[tuple[Floats, Floats, Floats]]) -> float:
        return float(sum(np.logaddexp(0, sign * (odds + weight * shift)).mean() for sign, odds, shift in of))

    fits = {name: minimize_scalar(loss, bounds=(0, 5), args=(of,), method="bounded") for name, of in found.items()}
    return {name: round(float(fit.x), 4) for name, fit in fits.items()}


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
