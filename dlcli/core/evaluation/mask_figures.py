"""Figures of masks with intervals: IoU, accuracy and boundary F by class, and their means, of a set and of single pictures.

A class that no pixel has and that is predicted nowhere has no figure, and does not count in means. Intervals are of a bootstrap
over pictures or over groups of them, such as blocks of frames (Kunsch 1989, Ann. Stat. 17), widened as Student's t is for few,
and by how much a block is like the next one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dlcli.core.evaluation.mask_counts import MaskCounts
from dlcli.core.jackknife import LEAST_EXAMPLES, LEAST_GROUPS
from dlcli.core.stats import Z
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.masks import MASK_METRICS, ClassMask, MaskMetric
from dlcli.support.plural import count
from dlcli.support.seeds import derive

Floats = NDArray[np.float64]
Groups = NDArray[np.int64] | None

_RESAMPLES = 1000
_AT_ONCE = 50


@dataclass(frozen=True)
class _Shares:
    """Figures by class, (..., k), NaN where a class has none."""

    iou: Floats
    accuracy: Floats
    boundary: Floats
    pixel: Floats

    def overall(self) -> dict[str, Floats]:
        """The means over classes, and the accuracy of all pixels, (...)."""
        return {
            "miou": _mean(self.iou),
            "pixel-accuracy": self.pixel,
            "class-accuracy": _mean(self.accuracy),
            "boundary-f": _mean(self.boundary),
        }


def picture_mious(counts: MaskCounts) -> Floats:
    """The mIoU of each picture, (n,), over the classes that it has or that are predicted in it; NaN without labels."""
    return _mean(_shares(counts.confusion.astype(np.float64), counts.edges.astype(np.float64)).iou)


def set_miou(counts: MaskCounts) -> float:
    """The mIoU of all pictures together."""
    return float(_mean(_shares(counts.confusion.sum(0).astype(np.float64), counts.edges.sum(0).astype(np.float64)).iou))


def mask_metrics(counts: MaskCounts, group: Groups, *, seed: int) -> tuple[MaskMetric, ...]:
    """The metrics of MASK_METRICS with their intervals.

    Args:
        counts: Those of each picture.
        group: The group of each picture, (n,) from 0 on; None for pictures by themselves.
        seed: Seed of the bootstrap.
    """
    found, draws, why = _bootstrapped(counts, group, seed)
    figures = found.overall() | {"mean-miou": np.array(_mean_of(picture_mious(counts)))}
    drawn = {} if draws is None else draws.overall() | {"mean-miou": _drawn_means(counts, group, seed)}
    n, wider = len(counts.confusion), _widening(_unit_values(counts, group), group)
    return tuple(
        MaskMetric(name=name, estimate=_estimate(float(figures[name]), drawn.get(name), n, wider, why))
        for name in MASK_METRICS
        if np.isfinite(figures[name])
    )


def mask_differences(one: MaskCounts, other: MaskCounts, group: Groups, *, seed: int) -> dict[str, Difference]:
    """How far the figures of one set of masks are above those of another for the same pictures, resampled together.

    Args:
        one: Counts of each picture.
        other: The same pictures with other masks.
        group: The group of each picture, (n,) from 0 on; None for pictures by themselves.
        seed: Seed of the bootstrap.

    Returns:
        The differences by names of MASK_METRICS, of those that are defined; none where pictures are too few for an interval.
    """
    return mask_gains(one, (other,), group, seed=seed)


def mask_gains(one: MaskCounts, others: Sequence[MaskCounts], group: Groups, *, seed: int) -> dict[str, Difference]:
    """How far the figures of one set of masks are above the mean of those of several others, resampled together.

    Args:
        one: Counts of each picture.
        others: For each other set those of the same pictures.
        group: The group of each picture, (n,) from 0 on; None for pictures by themselves.
        seed: Seed of the bootstrap.

    Returns:
        As `mask_differences`.
    """
    first, drawn, _ = _bootstrapped(one, group, seed)
    second, again = [], []
    for counts in others:
        shares, resampled, _ = _bootstrapped(counts, group, seed)
        if drawn is None or resampled is None:
            return {}
        second.append(shares.overall())
        again.append(resampled.overall())
    if drawn is None:
        return {}
    values = {name: float(value - np.mean([found[name] for found in second])) for name, value in first.overall().items()}
    gaps = {name: found - np.mean([each[name] for each in again], axis=0) for name, found in drawn.overall().items()}
    more = _unit_values(one, group) - np.mean([_unit_values(counts, group) for counts in others], axis=0)
    wider, n = _widening(more, group), len(one.confusion)
    return {name: _gap(value, gaps[name], wider, n) for name, value in values.items() if np.isfinite(value)}


def _gap(value: float, drawn: Floats, wider: float, n: int) -> Difference:
    low, high = np.quantile(drawn[np.isfinite(drawn)], (0.025, 0.975))
    return Difference(value, value + wider * (min(low, value) - value), value + wider * (max(high, value) - value), n)


def class_masks(counts: MaskCounts, classes: tuple[str, ...], group: Groups, *, seed: int) -> tuple[ClassMask, ...]:
    """The figures of each class with their intervals.

    Args:
        counts: Those of each picture.
        classes: The names of the classes.
        group: The group of each picture, (n,) from 0 on; None for pictures by themselves.
        seed: Seed of the bootstrap.
    """
    found, draws, why = _bootstrapped(counts, group, seed)
    n, matrix = len(counts.confusion), counts.confusion.sum(0)
    wider = _widening(_unit_values(counts, group), group)

    def figure(kind: str, k: int) -> Estimate | PointEstimate | None:
        value = float(getattr(found, kind)[k])
        drawn = None if draws is None else getattr(draws, kind)[:, k]
        return _estimate(value, drawn, n, wider, why) if np.isfinite(value) else None

    wrong = matrix - np.diag(np.diag(matrix))
    return tuple(
        ClassMask(
            name=name,
            iou=figure("iou", k),
            accuracy=figure("accuracy", k),
            boundary_f=figure("boundary", k),
            pixels=int(matrix[k].sum()),
            most_confused_with=classes[int(wrong[k].argmax())] if wrong[k].any() else "",
        )
        for k, name in enumerate(classes)
    )


def pseudo_values(counts: MaskCounts, group: Groups) -> Floats:
    """What each picture adds to the mIoU of the set, (n,): the pseudo-values of the jackknife, of pictures or of whole groups.

    Their mean is the mIoU less an estimate of its bias (Tukey 1958, Ann. Math. Stat. 29), so that differences of networks can
    be averaged over pictures and seeds. The value of a group is spread over its pictures so that the mean over all pictures is
    that over groups, and so is the variance of a mean by group.
    """
    found, n = _unit_values(counts, group), len(counts.confusion)
    if group is None:
        return found
    m, mean, sizes = len(found), found.mean(), np.bincount(group)
    spread: Floats = mean + (n / (m * sizes) * (found - mean))[group]
    return spread


def _unit_values(counts: MaskCounts, group: Groups) -> Floats:
    """The pseudo-values of the mIoU of pictures, (n,), or of groups, (m,)."""
    parts = counts.summed(group)
    confusion, edges = parts.confusion.astype(np.float64), parts.edges.astype(np.float64)
    m, whole = len(confusion), float(_mean(_shares(confusion.sum(0), edges.sum(0)).iou))
    if m < 2:
        return np.full(m, whole)
    without = _mean(_shares(confusion.sum(0) - confusion, edges.sum(0) - edges).iou)
    found: Floats = m * whole - (m - 1) * np.where(np.isfinite(without), without, whole)
    return found


def _units(counts: MaskCounts, group: Groups) -> int:
    return len(counts.confusion) if group is None else int(group.max()) + 1


def _shares(confusion: Floats, edges: Floats) -> _Shares:
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, predicted = confusion.sum(-1), confusion.sum(-2)
    precision, recall = _ratio(edges[..., 0], edges[..., 1]), _ratio(edges[..., 2], edges[..., 3])
    either = (edges[..., 1] + edges[..., 3]) > 0
    p, r = np.nan_to_num(precision), np.nan_to_num(recall)
    boundary = np.where(either, np.nan_to_num(_ratio(2 * p * r, p + r)), np.nan)
    return _Shares(
        _ratio(right, true + predicted - right), _ratio(right, true), boundary, _ratio(right.sum(-1), confusion.sum((-2, -1)))
    )


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Shares, NaN of nothing."""
    found: Floats = np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)
    return found


def _mean(values: Floats) -> Floats:
    """The mean over the last axis of what is defined; NaN if nothing is."""
    there = np.isfinite(values)
    found: Floats = _ratio(np.where(there, values, 0.0).sum(-1), there.sum(-1).astype(np.float64))
    return found


def _mean_of(values: Floats) -> float:
    return float(_mean(values))


def _weights(counts: MaskCounts, group: Groups, seed: int) -> NDArray[np.int64]:
    """How often each unit is drawn in each resample, (resamples, units)."""
    units = _units(counts, group)
    source = np.random.default_rng(derive(seed, "masks"))
    return source.multinomial(units, np.full(units, 1 / units), size=_RESAMPLES)


def _bootstrapped(counts: MaskCounts, group: Groups, seed: int) -> tuple[_Shares, _Shares | None, str]:
    parts = counts.summed(group)
    confusion, edges = parts.confusion.astype(np.float64), parts.edges.astype(np.float64)
    found = _shares(confusion.sum(0), edges.sum(0))
    units, least = _units(counts, group), LEAST_EXAMPLES if group is None else LEAST_GROUPS
    if units < least:
        return found, None, count(units, "picture" if group is None else "group")
    weights = _weights(counts, group, seed).astype(np.float64)
    flat, ends = confusion.reshape(units, -1), edges.reshape(units, -1)
    drawn = _shares(
        (weights @ flat).reshape(-1, *confusion.shape[1:]),
        (weights @ ends).reshape(-1, *edges.shape[1:]),
    )
    return found, drawn, ""


def _drawn_means(counts: MaskCounts, group: Groups, seed: int) -> Floats:
    """The mean mIoU of a picture in each resample."""
    mious = picture_mious(counts)
    unit = np.arange(len(mious)) if group is None else group
    there, values = (np.bincount(unit, part).astype(np.float64) for part in (np.isfinite(mious), np.nan_to_num(mious)))
    weights = _weights(counts, group, seed).astype(np.float64)
    return _ratio(weights @ values, weights @ there)


def _estimate(value: float, drawn: Floats | None, n: int, wider: float, why: str) -> Estimate | PointEstimate:
    values = np.empty(0) if drawn is None else drawn[np.isfinite(drawn)]
    if len(values) < _RESAMPLES // 2:
        return PointEstimate(value=value, n=n, why=why or "too few pictures have it")
    low, high = np.quantile(values, (0.025, 0.975))
    if values.min() == values.max():
        return PointEstimate(value=value, n=n, why="the same in every resample")
    ends = value + wider * (min(low, value) - value), value + wider * (max(high, value) - value)
    return Estimate(value, max(0.0, ends[0]), min(1.0, ends[1]), n)


def _widening(values: Floats, group: Groups) -> float:
    """By how much intervals are widened: the bootstrap divides by m, and its quantiles are too near for few units.

    Blocks that follow each other are not independent where what makes frames hard outlasts a block. The variance of a mean is
    larger by 1 + 2 r for the correlation r of neighbours.

    Args:
        values: What each picture or group adds, (m,).
        group: The group of each picture, (n,), if they come in groups.
    """
    m = len(values)
    found: float = float(stdtrit(m - 1, 0.975)) / Z * (m / max(1, m - 1) * (1 + 2 * _likeness(values, group))) ** 0.5
    return found


def _likeness(values: Floats, group: Groups) -> float:
    """The correlation of groups that follow each other, at least 0, corrected for its bias of -1 / m; 0 for others."""
    if group is None or len(values) < LEAST_GROUPS:
        return 0.0
    first = np.append(0, np.flatnonzero(np.diff(group)) + 1)
    if len(first) > len(values):
        return 0.0
    away = values[group[first]] - values.mean()
    squares = float((away**2).sum())
    return 0.0 if squares == 0 else min(1.0, max(0.0, float((away[1:] * away[:-1]).sum()) / squares + 1 / len(values)))


def named_figures(counts: MaskCounts) -> Mapping[str, float]:
    """The metrics without intervals, for logs; 0 for what is not defined."""
    shares = _shares(counts.confusion.sum(0).astype(np.float64), counts.edges.sum(0).astype(np.float64))
    found = {name: float(value) for name, value in shares.overall().items()}
    found |= {"mean-miou": _mean_of(picture_mious(counts))}
    return {name: value if np.isfinite(value) else 0.0 for name, value in found.items()}
