"""How often the intervals of `dlcli attack --method corruptions` hold the truth, on simulated sets of images.

    OMP_NUM_THREADS=1 python -m benchmarks.corruption_coverage [--sets 1000]

Two networks classify the same images, of which some are hard for both. Each image has a difficulty; what a network makes of it
at each of five severities of fifteen corruptions is that plus noise. The truth is that of 400,000 images of the population.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from dlcli.engines.attack.corruption_figures import (
    Answers,
    mean_error,
    minus_baseline,
    relative_degradation,
    relative_error,
)

SEED = 1
KINDS, SEVERITIES = 15, 5
TRUTH, PART = 400_000, 20_000
LEVELS = {"errors of 15% and 25%": (1.9, 1.4), "errors of 3% and 8%": (3.2, 2.5)}
FIGURES = ("mean error", "accuracy minus the baseline's", "mCE", "relative mCE")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000, help="simulated sets of each setting")
    sets = parser.parse_args().sets
    print(f"{datetime.now(UTC).date()}, seed {SEED}. Coverage in % of {sets} sets; without an interval in brackets.\n")
    print(f"| networks | images | {' | '.join(FIGURES)} |\n|---|---|{'---|' * len(FIGURES)}", flush=True)
    for name, levels in LEVELS.items():
        truth = population(levels)
        for n in (100, 500):
            print(f"| {name} | {n} | {' | '.join(covered(levels, truth, n, sets))} |", flush=True)


def pair(levels: tuple[float, float], seed: tuple[int, ...], n: int) -> tuple[Answers, Answers]:
    """The answers of two networks on n images."""
    drawn = np.random.default_rng([SEED, *seed])
    hard = drawn.normal(size=n)
    away = np.linspace(0.6, -0.6, SEVERITIES)[:, None] + np.linspace(-0.6, 0.6, KINDS)[:, None, None]
    found = []
    for level in levels:
        own = hard + 0.7 * drawn.normal(size=n)
        noise = drawn.normal(size=(KINDS, SEVERITIES, n), scale=0.6)
        found.append(Answers(own < level + 1, own + noise < level + away))
    return found[0], found[1]


def population(levels: tuple[float, float]) -> list[float]:
    """The figures of the population."""
    parts = [pair(levels, (k, 0), PART) for k in range(TRUTH // PART)]
    own, other = (np.mean([one[side].errors.mean(1) for one in parts], axis=0) for side in (0, 1))
    clean, of_clean = (1 - np.mean([one[side].clean.mean() for one in parts]) for side in (0, 1))
    degraded = ((own - clean) / (other - of_clean)).mean()
    return [float(one) for one in (own.mean(), other.mean() - own.mean(), (own / other).mean(), degraded)]


def covered(levels: tuple[float, float], truth: list[float], n: int, sets: int) -> Iterator[str]:
    """How often each interval holds its figure."""
    held, given = np.zeros(len(FIGURES)), np.zeros(len(FIGURES))
    for seed in range(sets):
        own, other = pair(levels, (seed, n), n)
        found = (mean_error(own), minus_baseline(own, other), relative_error(own, other), relative_degradation(own, other))
        for k, one in enumerate(found):
            if one is not None and one.low is not None and one.high is not None:
                given[k] += 1
                held[k] += one.low <= truth[k] <= one.high
    for hits, of in zip(held, given, strict=True):
        none = f" ({sets - of:.0f})" if of < sets else ""
        yield f"{100 * hits / max(of, 1):.1f}{none}"


if __name__ == "__main__":
    main()
