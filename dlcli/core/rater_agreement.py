"""How well raters agree with each other: one against the rest, reliability of their mean, intraclass correlations.

Intervals are those of the jackknife over examples; raters are taken as they are.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from dlcli.core.correlation import pearson
from dlcli.core.jackknife import CORRELATION, LEAST_EXAMPLES, Scale, interval, kept, too_few
from dlcli.specs.estimates import Ceiling, Estimate, PointEstimate

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Intraclass(NamedTuple):
    """The intraclass correlations of Shrout and Fleiss (1979, Psychol. Bull. 86): of one rating, and of the mean of k."""

    icc_1_1: float
    icc_2_1: float
    icc_3_1: float
    icc_1_k: float
    icc_2_k: float
    icc_3_k: float


def intraclass(ratings: Floats) -> Intraclass:
    """The intraclass correlations of complete ratings, (n, raters), at least two of each; NaN if all ratings are equal."""
    n, k = ratings.shape
    mean, of_row, of_rater = ratings.mean(), ratings.mean(1), ratings.mean(0)
    rows = k * float(((of_row - mean) ** 2).sum()) / (n - 1)
    raters = n * float(((of_rater - mean) ** 2).sum()) / (k - 1)
    rest = float(((ratings - of_row[:, None] - of_rater + mean) ** 2).sum()) / ((n - 1) * (k - 1))
    within = ((k - 1) * raters + (n - 1) * (k - 1) * rest) / (n * (k - 1))
    between = k * (raters - rest) / n
    # In the order of Intraclass.
    above = (rows - within, rows - rest, rows - rest) * 2
    below = (
        *(rows + (k - 1) * within, rows + (k - 1) * rest + between, rows + (k - 1) * rest),
        *(rows, rows + between / k, rows),
    )
    return Intraclass(*(a / b if b else float("nan") for a, b in zip(above, below, strict=True)))


def ceiling(ratings: ArrayLike, group: NDArray[np.integer] | None = None, *, seed: int = 0) -> Ceiling | None:
    """How well raters agree.

    Raters, and pairs of raters, with fewer than 10 examples in common with others are not counted, nor those who rate all of
    these alike.

    Args:
        ratings: The ratings, (n, raters), NaN where a rater did not rate an example.
        group: The group of each example, (n,) from 0 on, if they come in groups: intervals are over groups then.
        seed: Seed of the parts in which many examples are omitted.

    Returns:
        The agreement; None if no two raters can be compared.

    Raises:
        ValueError: If the ratings are not a table, or one is infinite.
    """
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError("a table of ratings (examples, raters) is needed, finite or NaN")
    given = ~np.isnan(table)
    several = given.sum(1) >= 2
    complete = table.shape[1] > 1 and bool(given[given.any(1)].all())
    k = float(1 / (1 / given.sum(1)[given.any(1)]).mean()) if given.any() else 0.0
    table, given, group = table[several], given[several], None if group is None else group[several]
    rest, pairs = _Rest(table, given), _Pairs(table, given)
    if not rest.counted or not pairs.counted.any():
        return None
    why = too_few(len(table), group)
    masks = [] if why else list(kept(len(table), group, seed=seed))

    def estimate(value: float, left: list[float], scale: Scale = CORRELATION) -> Estimate | PointEstimate:
        ends = None if why else interval(value, np.array(left), scale)
        return Estimate(value, *ends, len(table)) if ends else _point(value, len(table), why)

    whole, others = rest.means(), [rest.means(keep) for keep in masks]
    reliability = _stepped_up(estimate(pairs.mean(), [pairs.mean(keep) for keep in masks]), k)
    single = mean = None
    if complete:
        one, left = intraclass(table), [intraclass(table[keep]) for keep in masks]
        single = estimate(one.icc_2_1, [other.icc_2_1 for other in left])
        mean = estimate(one.icc_2_k, [other.icc_2_k for other in left])
    against = {name: estimate(value, [other[name] for other in others]) for name, value in whole.items()}
    return Ceiling(int(given.any(0).sum()), k, against, reliability, single, mean)


def _point(value: float, n: int, why: str) -> PointEstimate:
    return PointEstimate(value=value, n=n, why=why or "perfect agreement, or one example or group decides")


def _stepped_up(one: Estimate | PointEstimate, k: float) -> Estimate | PointEstimate:
    """The reliability of the mean of k ratings from that of one (Spearman 1910, Brown 1910); 0 for negative ones."""

    def mean(r: float) -> float:
        return max(0.0, k * r / (1 + (k - 1) * r)) if r > 0 else 0.0

    if isinstance(one, PointEstimate):
        return PointEstimate(value=mean(one.value), n=one.n, why=one.why)
    return Estimate(mean(one.value), mean(one.low), mean(one.high), one.n)


class _Rest:
    """Each rater beside the mean of the others, on the examples that both have rated."""

    def __init__(self, table: Floats, given: Mask) -> None:
        filled = np.where(given, table, 0.0)
        others = (filled.sum(1, keepdims=True) - filled) / (given.sum(1, keepdims=True) - 1)
        self._columns = [(np.flatnonzero(given[:, r]), table[:, r], others[:, r]) for r in range(table.shape[1])]
        self._found = [self._of(rater, rater[0]) for rater in self._columns]
        enough = given.sum(0) >= LEAST_EXAMPLES
        self.counted = [r for r, found in enumerate(self._found) if enough[r] and not np.isnan(found).any()]

    @staticmethod
    def _of(rater: tuple[NDArray[np.int64], Floats, Floats], rows: NDArray[np.int64]) -> Floats:
        x, y = rater[1][rows], rater[2][rows]
        return np.array([pearson(rankdata(x), rankdata(y)), pearson(x, y)])

    def means(self, keep: Mask | None = None) -> dict[str, float]:
        """The mean over raters on all examples, or on those to keep."""
        spearman, product = np.mean(list(self._each(keep)), axis=0)
        return {"spearman": float(spearman), "pearson": float(product)}

    def _each(self, keep: Mask | None) -> Iterator[Floats]:
        for r in self.counted:
            rows = self._columns[r][0]
            # Most examples are not among those of a rater of few.
            if keep is None or keep[rows].all():
                yield self._found[r]
            else:
                yield self._of(self._columns[r], rows[keep[rows]])


class _Pairs:
    """The correlations of all pairs of raters on the examples that both have rated, from sums over examples."""

    def __init__(self, table: Floats, given: Mask) -> None:
        filled = np.where(given, table, 0.0)
        seen = np.maximum(given.sum(0), 1)
        away = np.where(given, table - filled.sum(0) / seen, 0.0)
        scale = np.sqrt((away**2).sum(0) / seen)
        self._given, self._away = given.astype(np.float64), away / np.where(scale > 0, scale, 1.0)
        self._all = self._sums(np.ones(len(table), dtype=bool))
        upper = np.triu(np.ones(self._all[0].shape, dtype=bool), 1)
        self.counted = upper & (self._all[0] >= LEAST_EXAMPLES) & np.isfinite(self._correlations(self._all))

    def _sums(self, rows: Mask) -> Floats:
        m, x = self._given[rows], self._away[rows]
        return np.stack([m.T @ m, x.T @ m, (x**2).T @ m, x.T @ x])

    @staticmethod
    def _correlations(sums: Floats) -> Floats:
        n, first, square, product = sums
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.maximum(square / n - (first / n) ** 2, 0.0)
            both = np.sqrt(variance * variance.T)
            # Ratings have a standard deviation of about 1 here: below rounding they are constant.
            return np.where(both > 1e-9, (product / n - first * first.T / n**2) / both, np.nan)

    def mean(self, keep: Mask | None = None) -> float:
        """The mean over pairs on all examples, or on those to keep."""
        sums = self._all if keep is None else self._all - self._sums(~keep)
        return float(np.clip(self._correlations(sums)[self.counted].mean(), -1.0, 1.0))
