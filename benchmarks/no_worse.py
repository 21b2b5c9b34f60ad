"""How often the gate of `eval --no-worse` passes: where a network is worse by just the margin, and where it is as good.

    OMP_NUM_THREADS=1 python -m benchmarks.no_worse [--runs 2000]

Both networks differ on a share of the examples. In the first case, where passing is the error, the new one is worse by the
margin; in the second one of four slices is, and the gate is that of all examples and all slices; in the third the new one is as
good, and the power that the note of eval promises stands beside the rate. With groups, all examples of one change alike.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from dlcli.core.evaluation.comparison import gate_power, no_worse
from dlcli.core.grouped import difference_of

SEED = 1
SLICES = 4


class Setting(NamedTuple):
    """Examples, the share on which both differ, the margin, and examples in a group."""

    n: int
    differ: float
    margin: float
    size: int = 1


SETTINGS = (
    Setting(300, 0.05, 0.02),
    Setting(1000, 0.05, 0.01),
    Setting(1000, 0.1, 0.02),
    Setting(5000, 0.02, 0.005),
    Setting(5000, 0.1, 0.01),
    Setting(20000, 0.05, 0.005),
    Setting(1000, 0.1, 0.05, 5),
    Setting(5000, 0.1, 0.02, 5),
)


class Rates(NamedTuple):
    """Shares of the runs in which the gate passes, and the mean power that was promised."""

    worse: float
    worse_slice: float
    equal: float
    promised: float


def rates(setting: Setting, runs: int, seed: int = SEED) -> Rates:
    """Simulate a setting; the same seed gives the same rates."""
    random = np.random.default_rng([seed, setting.n, setting.size])
    passed = np.zeros(3)
    promised = 0.0
    for _ in range(runs):
        for k, (gap, of_slice) in enumerate(((setting.margin, False), (setting.margin, True), (0.0, False))):
            new, old, group = _drawn(random, setting, gap, one_slice=of_slice)
            found = difference_of(new, old, group)
            passes = no_worse(found, setting.margin)
            if of_slice:
                parts = np.arange(len(new)) * SLICES // len(new)
                passes &= all(
                    no_worse(
                        difference_of(new[parts == one], old[parts == one], _renumbered(group, parts == one)), setting.margin
                    )
                    for one in range(SLICES)
                )
            passed[k] += passes
            promised += gate_power(found, setting.margin).power if k == 2 else 0.0
    return Rates(*(passed / runs).tolist(), promised / runs)


def _renumbered(group: np.ndarray | None, inside: np.ndarray) -> np.ndarray | None:
    return None if group is None else np.unique(group[inside], return_inverse=True)[1]


def _drawn(
    random: np.random.Generator, setting: Setting, gap: float, *, one_slice: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Which examples both are right on; the new one is worse by `gap`, or only on the first quarter."""
    units = setting.n // setting.size
    gaps = np.full(units, gap)
    if one_slice:
        gaps[units // SLICES :] = 0.0
    draw = random.random(units)
    broken, fixed = draw < (setting.differ + gaps) / 2, draw > 1 - (setting.differ - gaps) / 2
    new, old = (~broken).repeat(setting.size), (~fixed).repeat(setting.size)
    return new, old, None if setting.size == 1 else np.arange(units).repeat(setting.size)


def lines(runs: int) -> Iterator[str]:
    """The table in Markdown."""
    yield f"{datetime.now(UTC).date()}, seed {SEED}, {runs:,} runs of each setting; how often the gate passes, in %."
    yield ""
    head = ("examples", "differ on", "margin", "in groups of", "worse by the margin", "one slice is", "as good", "promised")
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for one in SETTINGS:
        shares = (f"{100 * rate:.1f}" for rate in rates(one, runs))
        yield f"| {one.n:,} | {100 * one.differ:g}% | {100 * one.margin:g} points | {one.size} | {' | '.join(shares)} |"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    for line in lines(parser.parse_args().runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
