"""How often verdicts are wrong where nothing differs, and how often the numbers of `--detect` establish a difference.

    OMP_NUM_THREADS=1 python -m benchmarks.verdicts [--runs 1000]

The tables: any slice that is named worse or better, of one network and of two on the same images, by Holm; a difference of two
networks with the number of images that `eval --detect` gives, from the true share of images that only one is right on and from
a pilot; a difference over seeds with the number that `train --detect` gives after a few pilot seeds.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import ttest_1samp

from dlcli.core.evaluation.comparison import compare_parts
from dlcli.core.evaluation.images_needed import images_needed
from dlcli.core.evaluation.slices import ExampleSlice, compare_slices, cut
from dlcli.core.sample_size import pairs_needed
from dlcli.core.stats import paired_difference

SEED = 1
ACCURACY, DIFFER = 0.9, 0.06
MOST_SEEDS = 100_000
Random = np.random.Generator
Bools = NDArray[np.bool_]
Groups = NDArray[np.int64] | None


class Slices(NamedTuple):
    """Columns of metadata, values of each, examples, and examples in a group."""

    columns: int
    values: int
    n: int
    size: int = 1


class Images(NamedTuple):
    """A true difference, the share of images that only one network is right on, and images of a pilot."""

    effect: float
    differ: float
    pilot: int


SLICES = (Slices(1, 2, 300), Slices(1, 10, 600), Slices(4, 5, 1000), Slices(20, 2, 1000), Slices(1, 5, 600, 5))
IMAGES = (Images(0.01, 0.05, 600), Images(0.02, 0.1, 300), Images(0.02, 0.04, 1000), Images(0.05, 0.1, 300))
PILOTS = ((3, 0.6), (3, 1.5), (5, 0.6), (10, 1.0))
"""Pilot pairs, and the true difference in standard deviations of a pair."""
GROUPED_RUNS = 4
"""Of so many runs one is made by group, where each slice has 4,999 permutations."""


def slices_of(random: Random, setting: Slices) -> tuple[tuple[ExampleSlice, ...], Groups]:
    """Columns that have nothing to do with the outcome; all examples of a group have the same values."""
    units = setting.n // setting.size
    columns = random.integers(setting.values, size=(setting.columns, units)).repeat(setting.size, axis=1)
    found = tuple(one for k, values in enumerate(columns) for one in cut(f"column {k}", values))
    return found, None if setting.size == 1 else np.arange(units).repeat(setting.size)


def outcomes(random: Random, setting: Slices) -> NDArray[np.float64]:
    """Uniform numbers of examples, (n,); those of a group hang together (probit, 0.5)."""
    own, shared = random.normal(size=setting.n), random.normal(size=setting.n // setting.size).repeat(setting.size)
    found: NDArray[np.float64] = ndtr(own if setting.size == 1 else (own + shared) / sqrt(2))
    return found


def named(random: Random, setting: Slices) -> tuple[bool, bool]:
    """Whether any slice of one network is named, and any of two networks, where none differs."""
    cuts, group = slices_of(random, setting)
    seed = int(random.integers(1 << 30))
    one = compare_slices(cuts, outcomes(random, setting) < ACCURACY, group, seed=seed)
    level = outcomes(random, setting)
    two = compare_parts(cuts, level > DIFFER / 2, level < 1 - DIFFER / 2, group, seed=seed)
    return any(row.status in ("worse", "better") for row in one), any(row.status in ("worse", "better") for row in two)


def established(random: Random, setting: Images, n: int) -> bool:
    """Whether the difference of two networks on n images is established, on the right side."""
    share, effect = setting.differ, setting.effect
    fixed, broken, _ = random.multinomial(n, [(share + effect) / 2, (share - effect) / 2, 1 - share])
    place = np.arange(n)
    return paired_difference(place < fixed, (place >= fixed) & (place < fixed + broken)).low > 0


def after_pilot(random: Random, setting: Images) -> bool:
    """The same with the number of images that a pilot of two such networks gives."""
    share = random.binomial(setting.pilot, setting.differ) / setting.pilot
    return established(random, setting, images_needed(setting.effect, max(share, setting.effect)))


def over_seeds(random: Random, pilots: int, effect: float) -> bool:
    """Whether a paired t-test with the number of pairs that pilots give establishes the difference."""
    n = pairs_needed(effect, float(random.normal(size=pilots).std(ddof=1)), pilots - 1, most=MOST_SEEDS)
    if n is None:
        raise ValueError(f"more than {MOST_SEEDS} pairs")
    return bool(ttest_1samp(random.normal(effect, 1, n), 0).pvalue < 0.05)


def lines(runs: int) -> Iterator[str]:
    """The tables in Markdown."""
    yield f"{datetime.now(UTC).date()}, seed {SEED}, {runs:,} runs of each setting ({runs // GROUPED_RUNS:,} by group); in %."
    yield ""
    yield "| columns | values of each | examples | in groups of | any slice named | of two networks |"
    yield "|---|---|---|---|---|---|"
    for k, setting in enumerate(SLICES):
        random = np.random.default_rng([SEED, k])
        found = np.mean([named(random, setting) for _ in range(runs if setting.size == 1 else runs // GROUPED_RUNS)], axis=0)
        rates = " | ".join(f"{100 * rate:.1f}" for rate in found)
        yield f"| {setting.columns} | {setting.values} | {setting.n:,} | {setting.size} | {rates} |"
    yield ""
    yield "| difference, points | differ on | images | established | images of a pilot | established after it |"
    yield "|---|---|---|---|---|---|"
    for k, one in enumerate(IMAGES):
        random, n = np.random.default_rng([SEED, 100 + k]), images_needed(one.effect, one.differ)
        rate = np.mean([established(random, one, n) for _ in range(runs)])
        after = np.mean([after_pilot(random, one) for _ in range(runs)])
        cells = f"{n:,} | {100 * rate:.1f} | {one.pilot:,} | {100 * after:.1f}"
        yield f"| {100 * one.effect:g} | {100 * one.differ:g}% | {cells} |"
    yield ""
    yield "| pilot seeds | difference in standard deviations | established |"
    yield "|---|---|---|"
    for k, (pilots, effect) in enumerate(PILOTS):
        random = np.random.default_rng([SEED, 200 + k])
        yield f"| {pilots} | {effect:g} | {100 * np.mean([over_seeds(random, pilots, effect) for _ in range(runs)]):.1f} |"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    for line in lines(parser.parse_args().runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
