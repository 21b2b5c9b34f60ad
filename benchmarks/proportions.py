"""The exact coverage of intervals of a proportion, by the number of errors that are expected.

    OMP_NUM_THREADS=1 python -m benchmarks.proportions

The probabilities of all numbers of errors are added up, so nothing is drawn. The second column is what any rule could do: the
numbers of errors whose interval holds the truth go from one to another, and their probability jumps past 93 to 97% where few
are expected.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, binomtest

from dlcli.core.proportion import proportion

SIZES = (100, 1000, 5000)
BANDS = ((0.02, 0.3), (0.3, 1.0), (1.0, 3.0), (3.0, 5.0), (5.0, 10.0), (10.0, 20.0), (20.0, 50.0))
_MOST, _STEPS = 130, 200

Floats = NDArray[np.float64]
Ends = tuple[float, float]


def wilson(hits: int, n: int) -> Ends:
    """By scipy."""
    found = binomtest(hits, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def exact(hits: int, n: int) -> Ends:
    """Clopper and Pearson (1934), by scipy."""
    found = binomtest(hits, n).proportion_ci(method="exact")
    return float(found.low), float(found.high)


def mid_p(hits: int, n: int) -> Ends:
    """Lancaster (1961): half of the probability of the outcome itself counts to a tail."""

    def end(k: int) -> float:
        def beyond(share: float) -> float:
            return float(binom.sf(k, n, share) + 0.5 * binom.pmf(k, n, share)) - 0.025

        return float(brentq(beyond, 1e-15, 1 - 1e-15)) if k else 0.0

    return end(hits), 1 - end(n - hits)


def own(hits: int, n: int) -> Ends:
    """That of dlcli."""
    found = proportion(hits, n)
    return found.low, found.high


METHODS: dict[str, Callable[[int, int], Ends]] = {"Wilson": wilson, "Clopper and Pearson": exact, "mid-P": mid_p, "dlcli": own}


def coverage(ends: list[Ends], n: int, shares: Floats) -> Floats:
    """The probability that the interval of so many errors of n holds each of the true shares."""
    low, high = np.array(ends).T
    chance = binom.pmf(np.arange(len(ends))[:, None], n, shares)
    found: Floats = (chance * ((low[:, None] <= shares) & (shares <= high[:, None]))).sum(0)
    return found


def attainable(n: int, shares: Floats) -> float:
    """For how many of the true shares some numbers of errors, from one to another, have a probability of 93 to 97%."""
    below = np.vstack([np.zeros(len(shares)), binom.cdf(np.arange(_MOST)[:, None], n, shares)])
    inside = [((0.93 <= (one := column - column[:, None])) & (one <= 0.97)).any() for column in below.T]
    return float(np.mean(inside))


def main() -> None:
    """Print a table."""
    print(
        f"{datetime.now(UTC).date()}. Lowest and highest coverage in %, exact, of n = {', '.join(f'{n:,}' for n in SIZES)}.\n"
    )
    print(f"| errors expected | 93 to 97% possible | {' | '.join(METHODS)} |\n|---|---|{'---|' * len(METHODS)}")
    of = {(name, n): [rule(k, n) for k in range(min(n, _MOST) + 1)] for name, rule in METHODS.items() for n in SIZES}
    for begin, end in BANDS:
        errors = np.linspace(begin, end, _STEPS)
        possible = np.mean([attainable(n, errors / n) for n in SIZES])
        cells = []
        for name in METHODS:
            found = np.concatenate([coverage(of[name, n], n, errors / n) for n in SIZES])
            cells.append(f"{100 * found.min():.1f} to {100 * found.max():.1f}")
        said = "always" if possible == 1 else f"for {100 * possible:.0f}% of them"
        print(f"| {begin:g} to {end:g} | {said} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
