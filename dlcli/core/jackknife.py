"""The jackknife: figures of a sample without each of its examples, or groups, and the interval that their spread gives.

Its variance (Efron and Stein 1981, Ann. Stat. 9) needs no formula for each figure and no random resamples. The interval is
Student's on a scale on which the figure is nearly normal. Its degrees of freedom are those of Satterthwaite (1946, Biometrics
Bull. 2), 2 n / (kurtosis - 1), which are fewer where tails are heavy, so that the variance itself is uncertain.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dlcli.support.plural import count
from dlcli.support.seeds import derive

LEAST_EXAMPLES, LEAST_GROUPS = 10, 5
"""Below these a spread is too uncertain for an interval."""
_PARTS = 200
"""Examples or groups are omitted one by one up to this number of them, else in as many random parts: a spread of 200 values is
known to 5%, and the time does not grow with the square of n."""

Floats = NDArray[np.float64]


class Scale(NamedTuple):
    """A monotone transform, `there` and `back`, on which a figure is nearly normal."""

    there: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]


CORRELATION = Scale(np.arctanh, np.tanh)
"""Fisher's z (1921, Metron 1)."""
POSITIVE = Scale(np.log, np.exp)
PLAIN = Scale(lambda values: values, lambda values: values)


def too_few(n: int, group: NDArray[np.integer] | None) -> str:
    """Why n examples in these groups (n,) allow no interval: how many there are; empty if they allow one."""
    if group is not None and (groups := len(np.unique(group))) < LEAST_GROUPS:
        return count(groups, "group")
    return count(n, "example") if n < LEAST_EXAMPLES else ""


def kept(n: int, group: NDArray[np.integer] | None = None, *, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Which of n examples (n,) remain when each example, or each group, is omitted in turn.

    Args:
        n: Number of examples.
        group: The group of each example, (n,), if they come in groups: whole groups are omitted then.
        seed: Seed of the parts in which they are omitted if there are many.

    Yields:
        A mask for each part, which are of equal size, to one example or group.
    """
    unit = np.arange(n) if group is None else np.unique(group, return_inverse=True)[1]
    units = int(unit.max()) + 1
    part = np.arange(units) % _PARTS
    if units > _PARTS:
        np.random.default_rng(derive(seed, "jackknife")).shuffle(part)
    for one in range(int(part.max()) + 1):
        yield part[unit] != one


def interval(value: float, left: Floats, scale: Scale) -> tuple[float, float] | None:
    """The 95% interval of a figure.

    Args:
        value: The figure of all examples.
        left: The figure without each part of them, (parts,), at least five.
        scale: The scale on which it is nearly normal.

    Returns:
        Its ends, which hold `value`; None if the figure is not defined without one of the parts, or is at an end of the scale.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, others = float(scale.there(np.array(value))), scale.there(left)
    if not (np.isfinite(centre) and np.isfinite(others).all()):
        return None
    m, away = len(others), others - others.mean()
    largest = float(np.abs(away).max())
    if largest == 0:
        return value, value
    away /= largest
    half = largest * float(stdtrit(_degrees(away), 0.975)) * (float((away**2).sum()) * (m - 1) / m) ** 0.5
    low, high = scale.back(np.array([centre - half, centre + half]))
    return min(value, float(low)), max(value, float(high))


def _degrees(away: Floats) -> float:
    """The degrees of freedom of the variance of values, given their distances from the mean."""
    m = len(away)
    excess = m * float((away**4).sum()) / float((away**2).sum()) ** 2 - 3
    unbiased = (m - 1) / ((m - 2) * (m - 3)) * ((m + 1) * excess + 6)
    # No more than for normal values, and at least 3, from which on Student's t has a variance.
    return min(m - 1.0, max(3.0, 2 * m / (max(unbiased, 0.0) + 2)))
