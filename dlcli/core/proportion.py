"""95% confidence intervals of proportions: one rule for accuracies, precisions, recalls, error rates and shares of all kinds.

It is the score interval (Wilson 1927, JASA 22) with the modification of Brown, Cai and DasGupta (2001, Statistical Science 16,
section 4.1) for one to three successes or errors: the end beside 0 or 1 is the one-sided limit of a Poisson variable there.
(Up to 50 examples they take it for one and two only; three is never narrower.)
Without it the score interval covers 84% where 0.2 errors are expected, with it at least 92.7% from 50 examples on.
docs/statistics.md has the coverage.
"""

from math import inf, sqrt

from scipy.special import betaincinv, gammaincinv, ndtri

from dlcli.specs.estimates import Estimate

_FEW = 3
"""The most successes or errors that are taken for a Poisson variable."""
_TAIL = 0.025
_ROUNDING = 1e-9
_HALVINGS = 50
"""Of a bracket, to rounding."""


def proportion(successes: float, n: int) -> Estimate:
    """The proportion `successes / n` with its interval.

    `successes` is in [0, n] and may be fractional: a sum over n examples of figures in [0, 1]. That is conservative, since the
    variance of such a figure is at most that of a 0/1 outcome with the same mean.
    Raises ValueError if n is not positive or `successes` is outside [0, n].
    """
    return effective_share(successes, n, n)


def effective_share(successes: float, n: int, effective: float) -> Estimate:
    """The proportion `successes / n` of n examples that tell as much as `effective` independent ones, with its interval.

    Args:
        successes: Sum over the examples of outcomes in [0, 1].
        n: Number of examples, which the estimate has.
        effective: Number of independent examples, at least 0.

    Returns:
        The proportion and its interval, [0, 1] if there is not a single independent example.

    Raises:
        ValueError: If n is not positive, `effective` is negative or `successes` is outside [0, n].
    """
    if n < 1 or not 0 <= successes <= n or effective < 0:
        raise ValueError(f"{successes} successes of {n}, {effective} effective")
    share = successes / n
    low, high = ends(share, effective, _TAIL)
    return Estimate(share, low, high, n)


def ends(share: float, effective: float, tail: float) -> tuple[float, float]:
    """The ends of the interval of a share of `effective` independent examples.

    Args:
        share: The share, in [0, 1].
        effective: Number of examples, at least 0; with 0 nothing is known.
        tail: The probability of what is farther away, at either end.

    Returns:
        Both ends, which hold the share.
    """
    if effective == 0:
        return 0.0, 1.0
    z2 = float(ndtri(tail)) ** 2
    centre = (share + z2 / (2 * effective)) / (1 + z2 / effective)
    half = sqrt(z2 * (share * (1 - share) / effective + z2 / (4 * effective * effective))) / (1 + z2 / effective)
    low = min(centre - half, _few(share * effective, tail) / effective)
    high = max(centre + half, 1 - _few((1 - share) * effective, tail) / effective)
    # Rounding must not push an end past the share itself, which the interval contains by definition.
    return min(share, max(0.0, low)), max(share, min(1.0, high))


def _few(hits: float, tail: float) -> float:
    """The lower limit of the mean of a Poisson variable that is `hits`, one-sided at twice the tail; infinite for many."""
    if hits <= _ROUNDING:
        return 0.0
    return float(gammaincinv(hits, min(1.0, 2 * tail))) if hits <= _FEW + _ROUNDING else inf


def selected_share(found: Estimate, among: int, effective: float | None = None) -> Estimate:
    """The interval of a share that was selected among several by its value, such as the lowest.

    It is that of Clopper and Pearson (1934, Biometrika 26) at 0.05 / `among` (Bonferroni), which holds for all of them at once,
    so for the one that was selected, whichever that is. The score interval would not: far in the tails it covers less than it
    says.

    Args:
        found: The share with its n, as `proportion` gives it.
        among: Number of shares among which it was selected, at least 1.
        effective: Number of independent examples that tell as much (see `effective_share`); None is n.

    Returns:
        The share with the wider interval.
    """
    n, tail = float(found.n) if effective is None else effective, _TAIL / among
    hits = found.value * n
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > _ROUNDING else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if n - hits > _ROUNDING else 1.0
    return Estimate(found.value, min(low, found.low), max(high, found.high), found.n)


def independent_examples(known: Estimate) -> float | None:
    """How many independent examples tell as much as a proportion is known by.

    That is n of a `proportion`, and `effective` of an `effective_share`. None if the proportion is known exactly.
    """
    width = known.high - known.low
    if width == 0:
        return None
    if width >= 1:
        return 0.0
    few, many = 0.0, float(max(known.n, 1))
    if abs(_width(known.value, many) - width) <= _ROUNDING * width:
        return many
    while _width(known.value, many) > width:
        few, many = many, 2 * many
    for _ in range(_HALVINGS):
        middle = (few + many) / 2
        few, many = (middle, many) if _width(known.value, middle) > width else (few, middle)
    return many


def _width(share: float, effective: float) -> float:
    low, high = ends(share, effective, _TAIL)
    return high - low
