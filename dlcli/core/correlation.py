"""How well predicted scores agree with true ones: rank and product-moment correlations, and errors in the unit of the scores.

Intervals are those of the jackknife, over examples or over groups of them; docs/statistics.md tells how often they hold.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau, rankdata

from dlcli.core.jackknife import CORRELATION, PLAIN, POSITIVE, interval, kept, too_few
from dlcli.core.stats import Z
from dlcli.specs.estimates import Difference, Estimate, PointEstimate

Floats = NDArray[np.float64]
Groups = NDArray[np.integer] | None

_ERRORS = ("mae", "rmse")
_ROUNDING = 1e-12
_LEAST_SHARE = 0.1
"""An interval narrower than this share of Fisher's is none."""


class Third(NamedTuple):
    """The examples whose true score is in [low, high], a third of them or about that, and their mean absolute error."""

    low: float
    high: float
    mae: Estimate | PointEstimate


def correlations(predicted: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """The correlations of two columns of scores, (n,) each, in [-1, 1].

    Args:
        predicted: The predicted scores.
        truth: The true scores.

    Returns:
        `spearman` (of mean ranks), `pearson` (product-moment) and `kendall` (tau-b, which corrects for ties), in this order.
        Empty if one of the columns is constant, since no correlation is defined then.

    Raises:
        ValueError: If the columns are not of the same length, are empty, or hold anything but finite numbers.
    """
    x, y = _pairs(predicted, truth)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return {}
    # Of the p-value, which is not used; the asymptotic one is the quicker, but not defined for two.
    tau = float(kendalltau(x, y, method="asymptotic" if len(x) > 2 else "exact").statistic)
    return {"spearman": pearson(rankdata(x), rankdata(y)), "pearson": pearson(x, y), "kendall": _on_scale(tau)}


def pearson(x: Floats, y: Floats) -> float:
    """The product-moment correlation of two columns (n,), in [-1, 1]; NaN if one of them is constant."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    a, b = _unit(x), _unit(y)
    return _on_scale(float(a @ b))


def _on_scale(correlation: float) -> float:
    """A correlation in [-1, 1], with what differs from an end by rounding alone put there: sums round otherwise elsewhere."""
    return float(np.sign(correlation)) if abs(correlation) > 1 - _ROUNDING else correlation


def _unit(column: Floats) -> Floats:
    # Divided by the largest first, so that no square is too large or too small for a float.
    away = column - column.mean()
    away = away / np.abs(away).max()
    return np.asarray(away / np.sqrt(away @ away))


def score_figures(
    predicted: ArrayLike, truth: ArrayLike, group: Groups = None, *, seed: int
) -> dict[str, Estimate | PointEstimate]:
    """Correlations and errors of predicted scores, with intervals.

    Args:
        predicted: The predicted scores, (n,).
        truth: The true scores, (n,).
        group: The group of each example, (n,) from 0 on, if they come in groups: the interval is over groups then.
        seed: Seed of the parts in which many examples are omitted.

    Returns:
        `spearman`, `pearson`, `kendall`, in [-1, 1], without those that are not defined (see `correlations`), and `mae` and
        `rmse`, the mean absolute and the root of the mean squared error, in the unit of the scores; in this order. There is no
        interval from fewer than 10 examples or 5 groups, or at an end of the scale.

    Raises:
        ValueError: As `correlations` does.
    """
    p, t = _pairs(predicted, truth)
    found, why = _figures(p, t), too_few(len(t), group)
    left = {} if why else _without_each(lambda keep: _figures(p[keep], t[keep]), found, len(t), group, seed)
    return {name: _estimate(name, value, left.get(name), len(t), why) for name, value in found.items()}


def _figures(predicted: Floats, truth: Floats) -> dict[str, float]:
    error = predicted - truth
    return correlations(predicted, truth) | {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}


def _without_each(
    figures: Callable[[NDArray[np.bool_]], dict[str, float]], names: dict[str, float], n: int, group: Groups, seed: int
) -> dict[str, Floats]:
    """Each figure without each part of the examples, (parts,); NaN where it is not defined."""
    rows = [figures(keep) for keep in kept(n, group, seed=seed)]
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def _estimate(name: str, value: float, left: Floats | None, n: int, why: str) -> Estimate | PointEstimate:
    ends = None if left is None else interval(value, left, POSITIVE if name in _ERRORS else CORRELATION)
    if ends is not None and name not in _ERRORS and _too_narrow(*ends, n):
        return PointEstimate(value=value, n=n, why="about the highest that equal scores allow")
    return Estimate(value, *ends, n) if ends else PointEstimate(value=value, n=n, why=why or _degenerate(name, value))


def _too_narrow(low: float, high: float, n: int) -> bool:
    """Whether the spread tells nothing, as of predictions in the order of the scores: a sample has no pair that is wrong then.

    Far from that end Fisher's z has the standard error 1 / sqrt(n - 3), about that of all correlations.
    """
    most = np.nextafter(1.0, 0.0)
    half = float(np.diff(np.arctanh(np.clip((low, high), -most, most)))[0]) / 2
    return bool(half < _LEAST_SHARE * Z / (n - 3) ** 0.5)


def _degenerate(name: str, value: float) -> str:
    if name in _ERRORS:
        return "no errors" if value == 0 else "errors of one example or group alone"
    return "a perfect correlation" if abs(value) == 1 else "one example or group decides"


def thirds(predicted: ArrayLike, truth: ArrayLike, group: Groups = None, *, seed: int) -> tuple[Third, ...]:
    """The mean absolute error in the lowest, the middle and the highest third of the true scores.

    Args:
        predicted: The predicted scores, (n,).
        truth: The true scores, (n,).
        group: The group of each example, (n,) from 0 on, if they come in groups.
        seed: Seed of the parts in which many examples are omitted.

    Returns:
        The thirds, from the lowest on. Examples of equal true score are in one third, so that there are fewer where scores have
        many ties.

    Raises:
        ValueError: As `correlations` does.
    """
    p, t = _pairs(predicted, truth)
    cuts = np.quantile(t, (1 / 3, 2 / 3), method="inverted_cdf")
    third = np.searchsorted(cuts, t)
    return tuple(_third(p[inside], t[inside], group, inside, seed) for k in range(3) if (inside := third == k).any())


def _third(predicted: Floats, truth: Floats, group: Groups, inside: NDArray[np.bool_], seed: int) -> Third:
    mae = score_figures(predicted, truth, None if group is None else group[inside], seed=seed)["mae"]
    return Third(float(truth.min()) + 0.0, float(truth.max()) + 0.0, mae)


def paired_score_difference(
    first: ArrayLike, second: ArrayLike, truth: ArrayLike, group: Groups = None, *, seed: int
) -> dict[str, Difference]:
    """The figures of one network minus those of another on the same examples, with intervals.

    Args:
        first: The scores that one predicts, (n,).
        second: The scores that the other predicts, (n,).
        truth: The true scores, (n,).
        group: The group of each example, (n,) from 0 on, if they come in groups.
        seed: Seed of the parts in which many examples are omitted.

    Returns:
        The difference of each figure of `score_figures` that both have, in its order; of a correlation in [-2, 2]. Those that
        are not defined without one of the examples are not there. Empty for fewer than 10 examples or 5 groups.

    Raises:
        ValueError: As `correlations` does.
    """
    (a, t), (b, _) = _pairs(first, truth), _pairs(second, truth)
    if too_few(len(t), group):
        return {}

    def differences(keep: NDArray[np.bool_]) -> dict[str, float]:
        one, other = _figures(a[keep], t[keep]), _figures(b[keep], t[keep])
        return {name: value - other[name] for name, value in one.items() if name in other}

    found = differences(np.ones(len(t), dtype=bool))
    left = _without_each(differences, found, len(t), group, seed)
    ends = {name: interval(value, left[name], PLAIN) for name, value in found.items()}
    return {name: Difference(found[name], *_clipped(name, *pair), len(t)) for name, pair in ends.items() if pair}


def _clipped(name: str, low: float, high: float) -> tuple[float, float]:
    return (low, high) if name in _ERRORS else (max(-2.0, low), min(2.0, high))


def _pairs(predicted: ArrayLike, truth: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not len(x) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("two columns of finite numbers of the same length are needed")
    return x, y
