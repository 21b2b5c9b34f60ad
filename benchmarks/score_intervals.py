"""Which interval of predicted scores holds: the BCa bootstrap beside the jackknife of dlcli.

    OMP_NUM_THREADS=1 python -m benchmarks.score_intervals [--runs 500]

For each kind of scores of `benchmarks/_scores.py`, 72 examples and 20 groups of 2 to 8, it prints how often both hold the
truth. The BCa interval (Efron 1987, JASA 82) is that of scipy, with 1,000 resamples of the examples or of the groups.
"""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from benchmarks import _scores
from benchmarks._coverage import SCORES, holds
from dlcli.core.correlation import score_figures

SEED = 1
Floats = NDArray[np.float64]
KINDS = ((_scores.NORMAL, 0.0), (_scores.NORMAL, 0.6), (_scores.NORMAL, 0.9))
KINDS += ((_scores.STEPS, 0.3), (_scores.STEPS, 0.8), (_scores.UNEVEN, 0.0))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500, help="samples of each setting")
    runs = parser.parse_args().runs
    print(
        f"{datetime.now(UTC).date()}, seed {SEED}. Coverage in % of {runs} samples, lowest and highest of {len(KINDS)} kinds.\n"
    )
    print("| figure | examples | BCa bootstrap | jackknife |\n|---|---|---|---|", flush=True)
    for n, groups in ((72, 0), (0, 20)):
        rates = np.array([coverage(kind, rho, n, groups, runs) for kind, rho in KINDS])
        for k, name in enumerate(SCORES):
            low, high = 100 * rates[:, :, k].min(0), 100 * rates[:, :, k].max(0)
            sides = " | ".join(f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True))
            print(f"| {name} | {f'{groups} groups' if groups else n} | {sides} |", flush=True)


def coverage(kind: int, rho: float, n: int, groups: int, runs: int) -> Floats:
    """How often each interval holds each figure, (2, figures)."""
    truth, random = _scores.population(kind, rho), np.random.default_rng([SEED, kind, int(100 * rho), groups])
    held = np.zeros((2, len(SCORES)))
    for _ in range(runs):
        predicted, true, group = _scores.scores(random, kind, rho, n, groups)
        found = score_figures(predicted, true, group, seed=0)
        for k, name in enumerate(SCORES):
            of_indices = _statistic(name, predicted, true, group)
            units = np.arange(groups or n)
            bca = bootstrap((units,), of_indices, n_resamples=1000, vectorized=True, rng=random).confidence_interval
            held[:, k] += bca.low <= truth[name] <= bca.high, bool(holds(found[name], truth[name]))
    return held / runs


def _statistic(name: str, predicted: Floats, truth: Floats, group: NDArray[np.int64] | None) -> Callable[..., Floats]:
    """A figure of resamples of examples or groups, by how often each is drawn: no resample is sorted again."""
    figure = _figures(predicted, truth)[name]
    units = np.eye(len(truth)) if group is None else np.eye(group.max() + 1)[:, group]

    def of(indices: NDArray[np.int64], axis: int = -1) -> Floats:
        return figure(units[np.moveaxis(indices, axis, -1)].sum(-2))

    return of


def _figures(predicted: Floats, truth: Floats) -> dict[str, Callable[[Floats], Floats]]:
    """Each figure as a function of the weights of the examples, (resamples, n)."""
    error = predicted - truth
    places = [np.unique(side, return_inverse=True)[1] for side in (predicted, truth)]
    signs = [np.sign(side[:, None] - side) for side in (predicted, truth)]
    return {
        "mae": lambda w: _mean(w, np.abs(error)),
        "rmse": lambda w: np.sqrt(_mean(w, error**2)),
        "pearson": lambda w: _correlation(w, predicted, truth),
        "spearman": lambda w: _correlation(w, *(_ranks(w, side) for side in places)),
        "kendall": lambda w: _pairs(w, signs[0] * signs[1]) / np.sqrt(_pairs(w, signs[0] ** 2) * _pairs(w, signs[1] ** 2)),
    }


def _mean(weights: Floats, values: Floats) -> Floats:
    return (weights * values).sum(-1) / weights.sum(-1)


def _correlation(weights: Floats, x: Floats, y: Floats) -> Floats:
    a, b = x - _mean(weights, x)[..., None], y - _mean(weights, y)[..., None]
    return _mean(weights, a * b) / np.sqrt(_mean(weights, a * a) * _mean(weights, b * b))


def _ranks(weights: Floats, place: NDArray[np.int64]) -> Floats:
    each = weights @ np.eye(place.max() + 1)[place]
    return (each.cumsum(-1) - each / 2)[..., place]


def _pairs(weights: Floats, matrix: Floats) -> Floats:
    return ((weights @ matrix) * weights).sum(-1)


if __name__ == "__main__":
    main()
