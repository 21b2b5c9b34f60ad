"""Whether square-and-add gives an interval of the difference of two ECEs of the same examples: it does not hold.

    OMP_NUM_THREADS=1 python -m benchmarks.calibration_difference [--runs 150]

Confidences are above the probability of being right by a shift before and by another one after, so that the true ECEs are the
sizes of both shifts. `dlcli.core.stats.independent_difference` combines the intervals of both. Both see the same chance, which
moves an error below and one above in opposite directions, or the first alone.
"""

import argparse
from datetime import UTC, datetime

import numpy as np

from dlcli.core.evaluation.calibration import expected_error
from dlcli.core.stats import independent_difference

SEED = 3
SHIFTS = ((0.1, 0.0), (0.1, 0.08), (0.04, 0.01), (0.05, -0.05), (0.0, 0.0))
_PROBABILITIES = (np.arange(10) + 10.5) / 20 * 0.9


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=150, help="samples of each setting")
    runs, random = parser.parse_args().runs, np.random.default_rng(SEED)
    print(f"{datetime.now(UTC).date()}, seed {SEED}, {runs} samples of each setting.\n")
    print("| examples | ECE before | ECE after | coverage, % |\n|---|---|---|---|")
    for n in (200, 1000, 5000):
        for before, after in SHIFTS:
            held = np.mean([covers(random, n, before, after) for _ in range(runs)])
            print(f"| {n:,} | {before:+.2f} | {after:+.2f} | {100 * held:.1f} |", flush=True)


def covers(random: np.random.Generator, n: int, before: float, after: float) -> bool:
    """Whether the interval of one sample holds the true difference."""
    right = random.choice(_PROBABILITIES, n)
    correct = random.random(n) < right
    seeds = random.integers(1 << 30, size=2)
    found = [expected_error(right + shift, correct, seed=int(seed)) for shift, seed in zip((before, after), seeds, strict=True)]
    difference = independent_difference(found[1], found[0])
    return bool(difference.low <= abs(after) - abs(before) <= difference.high)


if __name__ == "__main__":
    main()
