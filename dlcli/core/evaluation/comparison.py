"""Two classifiers on the same examples: the paired difference, where it lies, and whether one is not worse than the other.

A network is not worse by more than a margin if the whole 95% interval of the difference is above it: the non-inferiority test
of clinical trials at one-sided 2.5% (ICH E9, 1998, section 3.3.2). For several slices each has to pass, which needs no
correction (the intersection-union test: Berger 1982, Technometrics 24).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from dlcli.core.evaluation.slices import ExampleSlice, holm
from dlcli.core.grouped import difference_of, group_sums, share_of
from dlcli.core.stats import Z, mcnemar
from dlcli.specs.comparison import ComparedPart
from dlcli.specs.estimates import Difference
from dlcli.support.seeds import derive

POWER = 0.8
LEVEL = 0.05
"""Of the tests."""
_EXCHANGES = 4_999
_AT_ONCE = 1 << 21
_ROUNDING = 1e-9

Bools = NDArray[np.bool_]
Groups = NDArray[np.int64] | None


@dataclass(frozen=True)
class GatePower:
    """How often two equally good classifiers pass a gate, and with how many examples in four of five test sets."""

    power: float
    needed: int


def p_of_pairs(new: Bools, old: Bools, group: Groups = None, *, seed: int = 0) -> float:
    """The two-sided p-value of a paired difference.

    Without groups it is McNemar's exact test. With groups both classifiers are exchanged in whole groups at random, since
    without a difference neither has a name.

    Args:
        new: Which examples the new classifier is right on, (n,).
        old: The same of the old one.
        group: The group of each example, (n,) from 0 on, if they come in groups.
        seed: Seed of the exchanges.
    """
    if group is None:
        return mcnemar(new, old)
    sums = group_sums(new.astype(np.float64) - old, group)
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    random, found, as_far = np.random.default_rng(derive(seed, "exchanges")), abs(float(sums.sum())), 0
    block = max(1, _AT_ONCE // len(sums))
    for start in range(0, _EXCHANGES, block):
        signs = random.integers(2, size=(min(block, _EXCHANGES - start), len(sums))) * 2 - 1
        as_far += int((np.abs(signs @ sums) >= found - _ROUNDING).sum())
    return (1 + as_far) / (1 + _EXCHANGES)


def compare_parts(
    cuts: Sequence[ExampleSlice], new: Bools, old: Bools, group: Groups = None, *, seed: int = 0
) -> tuple[ComparedPart, ...]:
    """Both classifiers on each class or slice; p-values are corrected by Holm for all of them.

    Args:
        cuts: The classes and slices.
        new: Which examples the new classifier is right on, (n,).
        old: The same of the old one.
        group: The group of each example, (n,) from 0 on, if they come in groups.
        seed: Seed of exchanges.
    """
    inside = [one.inside for one in cuts]
    of = [None if group is None else np.unique(group[one], return_inverse=True)[1].astype(np.int64) for one in inside]
    p_values = holm([p_of_pairs(new[k], old[k], g, seed=seed) for k, g in zip(inside, of, strict=True)])
    return tuple(_part(cut, new[cut.inside], old[cut.inside], g, p) for cut, g, p in zip(cuts, of, p_values, strict=True))


def _part(cut: ExampleSlice, new: Bools, old: Bools, group: Groups, p: float) -> ComparedPart:
    difference = difference_of(new, old, group)
    clear = p <= LEVEL and difference.established
    return ComparedPart(
        column=cut.column,
        name=cut.name,
        new=share_of(new, group),
        old=share_of(old, group),
        difference=difference,
        fixed=int((new & ~old).sum()),
        broken=int((old & ~new).sum()),
        p=p,
        status=("better" if difference.value > 0 else "worse") if clear else "not established",
    )


def no_worse(difference: Difference, margin: float) -> bool:
    """Whether a difference is established to be above -`margin`."""
    return difference.low > -margin


def gate_power(difference: Difference, margin: float) -> GatePower:
    """How often `no_worse` holds for two classifiers without a difference that disagree as often as these.

    Args:
        difference: Their difference, whose interval tells its standard error.
        margin: How much worse the new one may be.
    """
    error = (difference.high - difference.low) / (2 * Z)
    if error == 0:
        return GatePower(1.0, difference.n)
    needed = difference.n * ((Z + float(ndtri(POWER))) * error / margin) ** 2
    return GatePower(float(ndtr(margin / error - Z)), max(1, ceil(needed)))
