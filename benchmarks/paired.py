"""The exact coverage of intervals of the difference of two networks on the same images, and of the gate that goes by them.

    OMP_NUM_THREADS=1 python -m benchmarks.paired

The probabilities of all numbers of images on which only the one or only the other is right are added up, so nothing is drawn.
The adjusted Wald interval is that of Bonett and Price (2012), the other one that of dlcli (Tango 1998).
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri, xlogy

from dlcli.core.stats import paired_difference

Floats = NDArray[np.float64]
Ends = tuple[float, float]
SIZES = (100, 1000)
BANDS = ((1.0, 3.0), (3.0, 5.0), (5.0, 10.0), (10.0, 20.0), (20.0, 50.0))
SHARES = (0.5, 0.7, 0.9)
"""Of the images that only one network is right on, the part of one of them."""
STEPS = 12
GATES = ((100, 0.1, 0.05), (100, 0.06, 0.05), (300, 0.05, 0.02), (300, 0.03, 0.02), (1000, 0.01, 0.005), (1000, 0.05, 0.01))
"""Images, the share that only one is right on, and the margin by which the new network is worse."""


def own(more: int, less: int, n: int) -> Ends:
    """That of dlcli."""
    new, old = (np.arange(n) < more), (np.arange(n) >= more) & (np.arange(n) < more + less)
    found = paired_difference(new, old)
    return found.low, found.high


def wald(more: int, less: int, n: int) -> Ends:
    """Adjusted Wald: a pair of each kind that differs is added."""
    mean, square = (more - less) / (n + 2), (more + less + 2) / (n + 2)
    half = -float(ndtri(0.025)) * ((square - mean**2) / (n + 2)) ** 0.5
    return mean - half, mean + half


METHODS: dict[str, Callable[[int, int, int], Ends]] = {"adjusted Wald": wald, "dlcli": own}


class Intervals:
    """The intervals of all likely numbers of images that only one network is right on, (cells,)."""

    def __init__(self, n: int, expected: float) -> None:
        most = min(n, round(expected + 7 * expected**0.5 + 10))
        cells = [(a, b) for a in range(most + 1) for b in range(most + 1 - a)]
        self.n, self.cells = n, np.array(cells, dtype=np.float64)
        self.ends = {name: np.array([of(a, b, n) for a, b in cells]) for name, of in METHODS.items()}

    def chances(self, more: float, less: float) -> Floats:
        """The probability of each cell, by the shares of images that only the one and only the other is right on."""
        a, b = self.cells.T
        rest = self.n - a - b
        counted = gammaln(self.n + 1) - gammaln(a + 1) - gammaln(b + 1) - gammaln(rest + 1)
        found: Floats = np.exp(counted + xlogy(a, more) + xlogy(b, less) + xlogy(rest, 1 - more - less))
        return found

    def coverage(self, method: str, more: float, less: float) -> float:
        """How often the interval holds the difference."""
        low, high = self.ends[method].T
        inside = (low <= more - less + 1e-12) & (more - less - 1e-12 <= high)
        return float((self.chances(more, less) * inside).sum())

    def passes(self, method: str, more: float, less: float) -> float:
        """How often the whole interval is above the true difference, as a gate of that margin takes it."""
        return float((self.chances(more, less) * (self.ends[method][:, 0] > more - less + 1e-12)).sum())


def main() -> None:
    """Print both tables."""
    print(f"{datetime.now(UTC).date()}. Exact, n = {', '.join(f'{n:,}' for n in SIZES)}; in %.\n")
    for line in (*coverages(), "", *gates()):
        print(line, flush=True)


def coverages() -> Iterator[str]:
    """The lowest and the highest coverage by the number of images that only one is right on."""
    yield f"| images that only one is right on, expected | {' | '.join(METHODS)} |\n|---|{'---|' * len(METHODS)}"
    known = {n: Intervals(n, BANDS[-1][1]) for n in SIZES}
    for begin, end in BANDS:
        points = [(n, e / n, part) for n in SIZES for e in np.linspace(begin, end, STEPS) for part in SHARES]
        cells = []
        for name in METHODS:
            found = [100 * known[n].coverage(name, part * e, (1 - part) * e) for n, e, part in points]
            cells.append(f"{min(found):.1f} to {max(found):.1f}")
        yield f"| {begin:g} to {end:g} | {' | '.join(cells)} |"


def gates() -> Iterator[str]:
    """How often a network that is worse by just the margin passes."""
    yield f"| images | differ on | margin | {' | '.join(METHODS)} |\n|---|---|---|{'---|' * len(METHODS)}"
    for n, differ, margin in GATES:
        known = Intervals(n, differ * n)
        rates = (100 * known.passes(name, (differ - margin) / 2, (differ + margin) / 2) for name in METHODS)
        yield f"| {n:,} | {100 * differ:g}% | {100 * margin:g} points | {' | '.join(f'{one:.2f}' for one in rates)} |"


if __name__ == "__main__":
    main()
