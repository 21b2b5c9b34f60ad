"""Samples of predicted and true scores, and of ratings, whose figures are known: for `benchmarks/_coverage.py`."""

from functools import lru_cache
from math import asin, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dlcli.core.correlation import paired_score_difference, score_figures
from dlcli.core.rater_agreement import ceiling
from dlcli.specs.estimates import Difference, Estimate, PointEstimate

Random = np.random.Generator
Floats = NDArray[np.float64]
Figures = dict[str, float]

NORMAL, STEPS, UNEVEN = 0, 1, 2
"""Bivariate normal; the same rounded to the scores 1 to 9; normal with errors that grow with the distance from the mean."""
_CUTS = (np.arange(1, 9) - 4.5) * 0.8


def scores(random: Random, kind: int, rho: float, n: int, groups: int) -> tuple[Floats, Floats, NDArray[np.int64] | None]:
    """Predictions and truth of n examples, or of 2 to 8 in each group, which share half of the variance."""
    group = np.repeat(np.arange(groups), random.integers(2, 9, groups)) if groups else None
    truth, noise = _normal(random, group, n), _normal(random, group, n)
    if kind == UNEVEN:
        return truth + _spread(truth) * noise, truth, group
    predicted = rho * truth + sqrt(1 - rho**2) * noise
    return (predicted, truth, group) if kind == NORMAL else (_stepped(predicted), _stepped(truth), group)


def _normal(random: Random, group: NDArray[np.int64] | None, n: int) -> Floats:
    if group is None:
        return random.normal(size=n)
    return sqrt(0.5) * (random.normal(size=group.max() + 1)[group] + random.normal(size=len(group)))


def _spread(truth: Floats) -> Floats:
    return 0.2 + 0.4 * np.abs(truth)


def _stepped(values: Floats) -> Floats:
    return 1.0 + np.searchsorted(_CUTS, values)


@lru_cache
def population(kind: int, rho: float) -> Figures:
    """The figures of the whole population, which the sample size and groups do not change."""
    if kind == NORMAL:
        error = sqrt(2 - 2 * rho)
        return {
            "spearman": 6 / pi * asin(rho / 2),
            "pearson": rho,
            "kendall": 2 / pi * asin(rho),
            "mae": error * sqrt(2 / pi),
            "rmse": error,
        }
    truth = np.linspace(-6, 6, 1201)
    density = np.exp(-(truth**2) / 2)
    if kind == STEPS:
        given_truth = np.diff(ndtr((_CUTS - rho * truth[:, None]) / sqrt(1 - rho**2)), axis=1, prepend=0, append=1)
        rows = density[:, None] * given_truth
        values = np.arange(1.0, 10.0)
        return _of_cells((rows.T @ (_stepped(truth)[:, None] == values)), values, values)
    predicted = np.linspace(-16, 16, 3201)
    spread = _spread(truth)
    return _of_cells(np.exp(-(((predicted[:, None] - truth) / spread) ** 2) / 2) / spread * density, predicted, truth)


def _of_cells(cells: Floats, predicted: Floats, truth: Floats) -> Figures:
    """The figures of a discrete distribution, (predicted, truth)."""
    p = cells / cells.sum()
    of_predicted, of_truth = p.sum(1), p.sum(0)

    def correlation(x: Floats, y: Floats) -> float:
        a, b = x - of_predicted @ x, y - of_truth @ y
        return float((p * a[:, None] * b).sum() / np.sqrt((of_predicted @ a**2) * (of_truth @ b**2)))

    below = np.zeros((len(predicted) + 1, len(truth) + 1))
    below[1:, 1:] = p.cumsum(0).cumsum(1)
    concordant = (p * below[:-1, :-1]).sum()
    discordant = (p * (below[:-1, -1:] - below[:-1, 1:])).sum()
    untied = sqrt((1 - (of_predicted**2).sum()) * (1 - (of_truth**2).sum()))
    error = predicted[:, None] - truth
    return {
        "spearman": correlation(of_predicted.cumsum() - of_predicted / 2, of_truth.cumsum() - of_truth / 2),
        "pearson": correlation(predicted, truth),
        "kendall": float(2 * (concordant - discordant) / untied),
        "mae": float((p * np.abs(error)).sum()),
        "rmse": float(np.sqrt((p * error**2).sum())),
    }


@lru_cache(maxsize=1 << 15)
def figures(seed: int, kind: int, rho: float, n: int, groups: int) -> dict[str, Estimate | PointEstimate]:
    """The estimates of one sample."""
    return score_figures(*scores(np.random.default_rng(seed), kind, rho, n, groups), seed=seed)


@lru_cache(maxsize=1 << 15)
def difference(seed: int, rho: float, other: float, n: int, groups: int) -> dict[str, Difference]:
    """Two networks on the same normal sample, half of whose errors they share."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), random.integers(2, 9, groups)) if groups else None
    truth, both, mine, yours = (_normal(random, group, n) for _ in range(4))
    first = rho * truth + sqrt((1 - rho**2) / 2) * (both + mine)
    second = other * truth + sqrt((1 - other**2) / 2) * (both + yours)
    return paired_score_difference(first, second, truth, group, seed=seed)


AGREEMENT = (
    "Spearman of one rater with the rest",
    "Pearson of one rater with the rest",
    "reliability of the mean rating",
    "ICC(2,1) of ratings",
    "ICC(2,k) of ratings",
)


@lru_cache(maxsize=1 << 15)
def agreement(seed: int, noise: float, raters: int, n: int, missing: int) -> tuple[Estimate | PointEstimate | None, ...]:
    """The figures of `AGREEMENT` of raters with this standard deviation of errors, `missing` of whom do not rate an example."""
    random = np.random.default_rng(seed)
    ratings = random.normal(size=(n, 1)) + noise * random.normal(size=(n, raters))
    ratings[random.random(ratings.shape).argsort(1) < missing] = np.nan
    found = ceiling(ratings, seed=seed)
    if found is None:
        raise ValueError("raters that cannot be compared")
    against = found.one_against_rest
    return against["spearman"], against["pearson"], found.mean_reliability, found.icc_single, found.icc_mean


def true_agreement(noise: float, raters: int, missing: int) -> tuple[float, ...]:
    """The true figures of `AGREEMENT`."""
    k = raters - missing
    rest = 1 / sqrt((1 + noise**2) * (1 + noise**2 / (k - 1)))
    one, mean = 1 / (1 + noise**2), 1 / (1 + noise**2 / k)
    return 6 / pi * asin(rest / 2), rest, mean, one, mean
