"""Shares of examples that come in groups: pairs that share questions, frames of one film, images seen by several networks.

A group tells less than as many independent examples. How much less is measured by how far the groups are from the common share
(the linearised variance of a ratio, Cochran 1977, Sampling Techniques, section 6.5), and the interval is that of a
proportion for the number of independent examples that would vary as much (Kish 1965, Survey Sampling, section 8.2).
"""

from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from dlcli.core.jackknife import LEAST_GROUPS, PLAIN, interval
from dlcli.core.proportion import effective_share, proportion, selected_share
from dlcli.core.stats import Z, paired_difference
from dlcli.specs.estimates import Difference, Estimate

_PSEUDO = 0.25
"""Groups of average size without a hit, and as many of hits alone, that are added before the variance is estimated. Groups that
agree by chance, as all do where hits are rare, would have none."""

Floats = NDArray[np.float64]


def group_sums(values: ArrayLike, group: NDArray[np.integer]) -> Floats:
    """The sum of `values` (n,) in each group, (groups,); `group` (n,) numbers the groups from 0 on."""
    return np.bincount(group, np.asarray(values, dtype=np.float64)).astype(np.float64)


def grouped_share(hits: ArrayLike, totals: ArrayLike) -> Estimate:
    """The share `hits.sum() / totals.sum()` with an interval by group; with groups of one it is nearly `proportion`.

    Args:
        hits: Hits in each group, (groups,), at least 0; a hit may be a fraction.
        totals: Examples in each group, (groups,), at least `hits`; groups without examples do not count.

    Returns:
        The share, whose n is the number of examples; from a single group it is [0, 1].

    Raises:
        ValueError: If there is no example, or more hits than examples in a group.
    """
    effective, n = effective_size(hits, totals), float(np.sum(totals))
    return effective_share(min(float(np.sum(hits)), n), round(n), effective)


def effective_size(hits: ArrayLike, totals: ArrayLike) -> float:
    """How many independent examples tell as much of a share, at most the number of examples; 0 for a single group.

    The arguments are those of `grouped_share`. The number is smaller still where groups are few, as Student's t is wider than
    the normal distribution.
    """
    h, t = np.asarray(hits, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    return _effective_size(h, t, float(t.sum()))


def _effective_size(h: Floats, t: Floats, most: float) -> float:
    """The number of `effective_size` with another upper limit."""
    if h.shape != t.shape or h.ndim != 1 or (h < 0).any() or (h > t + 1e-9).any() or not t.sum() > 0:
        raise ValueError("groups of at least one example are needed, none with more hits than examples")
    h, t = h[t > 0], t[t > 0]
    n, size = float(t.sum()), _size(t)
    if len(t) < 2:
        return 0.0
    wider = float(stdtrit(max(1.0, n / size - 1), 0.975)) / Z if size > 1 else 1.0
    return min(most, _independent(h, t)) / wider**2


def _size(t: Floats) -> float:
    """The size of the group that an example is in, on average."""
    return float((t**2).sum() / t.sum())


def _independent(h: Floats, t: Floats) -> float:
    """The number of independent examples whose share would vary as much as that of these groups."""
    added = _PSEUDO * _size(t)
    most = float(t.sum()) + 2 * added
    share = (float(h.sum()) + added) / most
    squares = float(((h - share * t) ** 2).sum()) + added * _size(t) * ((1 - share) ** 2 + share**2)
    # Groups of one are independent examples, whose number needs no correction.
    return share * (1 - share) * most**2 / squares * (1 - 1 / len(t) if _size(t) > 1 else 1)


def share_of(outcomes: ArrayLike, group: NDArray[np.integer] | None = None) -> Estimate:
    """The mean of `outcomes` (n,), in [0, 1], with the interval of a proportion, by group if there are groups (n,)."""
    values = np.asarray(outcomes, dtype=np.float64)
    if group is None:
        return proportion(float(values.sum()), len(values))
    return grouped_share(group_sums(values, group), group_sums(np.ones(len(values)), group))


def exact_share_of(outcomes: ArrayLike, group: NDArray[np.integer] | None = None, *, among: int = 1) -> Estimate:
    """The mean of `outcomes` with the wider of two intervals, that of `share_of` and that of Clopper and Pearson.

    Args:
        outcomes: Outcomes in [0, 1], (n,).
        group: The group of each, (n,), if they come in groups.
        among: Number of shares among which this one was selected, see `selected_share`.

    Returns:
        The mean and its interval.
    """
    values = np.asarray(outcomes, dtype=np.float64)
    if group is None:
        return selected_share(share_of(values), among)
    independent = effective_size(group_sums(values, group), group_sums(np.ones(len(values)), group))
    return selected_share(share_of(values, group), among, independent)


def mean_share(values: ArrayLike, group: NDArray[np.integer] | None = None) -> Estimate:
    """The mean of one share per image, (n,) in [0, 1], such as of the networks that are right on it.

    Where all shares are 0 or 1 the interval is that of `share_of`; shares between vary less, and it is narrower by as much.
    It is by `group` (n,) if images come in groups.
    """
    shares = np.asarray(values, dtype=np.float64)
    if np.isin(shares, (0, 1)).all():
        return share_of(shares, group)
    if group is not None:
        sums, sizes = group_sums(shares, group), group_sums(np.ones(len(shares)), group)
        return effective_share(float(shares.sum()), len(shares), _effective_size(sums, sizes, inf))
    found = max(float(len(shares)), _independent(shares, np.ones(len(shares)))) if len(shares) > 1 else 1.0
    return effective_share(float(shares.sum()), len(shares), found)


def difference_of(a: ArrayLike, b: ArrayLike, group: NDArray[np.integer] | None = None) -> Difference:
    """The mean of `a - b` over examples with the interval of `paired_difference`, by group if there are groups.

    By group it is that of the jackknife, with Student's t, and never narrower than that of independent examples.

    Args:
        a: Outcomes in [0, 1], (n,).
        b: Those that they are compared with, of the same examples, (n,).
        group: The group of each example, (n,) from 0 on, if they come in groups.

    Returns:
        The difference; its interval is [-1, 1] with fewer than five groups.
    """
    found = paired_difference(a, b)
    if group is None:
        return found
    sums = group_sums(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), group)
    sizes = group_sums(np.ones(len(group)), group)
    if np.count_nonzero(sizes) < LEAST_GROUPS:
        return replace(found, low=-1.0, high=1.0)
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    low, high = interval(found.value, (sums.sum() - sums) / (sizes.sum() - sizes), PLAIN) or (-1.0, 1.0)
    return replace(found, low=max(-1.0, min(low, found.low)), high=min(1.0, max(high, found.high)))


def crossed_difference(differences: NDArray[np.number], group: NDArray[np.integer] | None = None) -> Difference:
    """The mean difference of two networks over seeds and images (seeds, images), for new seeds and new images at once.

    The variance is that of the means over seeds plus that of the means over images less what both count twice (Owen 2007, The
    Pigeonhole Bootstrap, Ann. Appl. Stat. 1), with Satterthwaite's degrees of freedom. An interval over seeds alone holds for
    these images: it is too narrow where both networks differ on the same images from every seed. This one is never narrower.

    Args:
        differences: Right less right, in {-1, 0, 1}, of both networks of each pair; at least two seeds and two images.
        group: The group of each image, (images,) from 0 on, if they come in groups, which are drawn then.

    Returns:
        The mean and its interval, [-1, 1] for a single group; n is the number of images.
    """
    seeds, images = differences.shape
    values = np.asarray(differences, dtype=np.float64)
    mean, of_seed, of_image = float(values.mean()), values.mean(1), values.mean(0)
    numbers = np.arange(images) if group is None else np.unique(group, return_inverse=True)[1]
    units = int(numbers.max()) + 1
    if units < 2:
        return Difference(mean, -1.0, 1.0, images)
    # A unit, an image or a group, moves the mean by the sum of its distances from it.
    moved = group_sums(of_image - mean, numbers)
    both = np.stack([group_sums(row, numbers) for row in values - of_seed[:, None] - of_image + mean])
    # The mean of a seed comes in steps of an image, so that a few that are equal still vary by rounding.
    rows = max(float(of_seed.var(ddof=1)), 1 / (6 * images**2)) / seeds
    columns = float((moved**2).sum()) * units / (units - 1) / images**2
    twice = float((both**2).sum()) * units / ((seeds - 1) * (units - 1)) / (seeds * images**2)
    variance = max(rows, columns, rows + columns - twice)
    degrees = (rows + columns) ** 2 / (rows**2 / (seeds - 1) + columns**2 / (units - 1))
    half = max(float(stdtrit(degrees, 0.975)) * variance**0.5, float(stdtrit(seeds - 1, 0.975)) * rows**0.5)
    return Difference(mean, mean - half, mean + half, images)
