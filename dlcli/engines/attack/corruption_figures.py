"""Figures of a network under common corruptions (Hendrycks and Dietterich 2019, section 4), paired over images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.grouped import difference_of, mean_share, share_of
from dlcli.core.jackknife import POSITIVE, interval, kept, too_few
from dlcli.specs.corruption_attack import CorruptionError, CorruptionRow
from dlcli.specs.corruptions import SEVERITIES
from dlcli.specs.estimates import Difference, Estimate, PointEstimate

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


_WIDEST = 1000.0
"""An interval of a ratio whose ends differ by more says nothing but that errors are too few."""


@dataclass(frozen=True)
class Answers:
    """Which images a network is right on: `clean` (n,), and `corrupted` (corruptions, severities, n).

    `group` (n,) numbers the groups of the images from 0 on; None if these are independent.
    """

    clean: Bools
    corrupted: Bools
    group: NDArray[np.int64] | None = None

    @property
    def errors(self) -> Floats:
        """The share of severities at which each image is misclassified, (corruptions, n)."""
        found: Floats = 1 - self.corrupted.mean(1)
        return found


def mean_error(answers: Answers) -> Estimate:
    """The error, the mean over corruptions and severities, with an interval over images."""
    return mean_share(answers.errors.mean(0), answers.group)


def minus_baseline(answers: Answers, baseline: Answers) -> Difference:
    """The accuracy under corruptions minus that of the baseline, paired over images."""
    return difference_of(1 - answers.errors.mean(0), 1 - baseline.errors.mean(0), answers.group)


def relative_error(answers: Answers, baseline: Answers) -> Estimate | PointEstimate | None:
    """mCE: the mean over corruptions of the error divided by that of the baseline (equation 1 of the paper)."""
    return _ratio(answers.errors, baseline.errors, answers.group)


def relative_degradation(answers: Answers, baseline: Answers) -> Estimate | PointEstimate | None:
    """Relative mCE: the same for what corruptions add to the error on clean images."""
    added, of_baseline = (one.errors - ~one.clean for one in (answers, baseline))
    return _ratio(added, of_baseline, answers.group)


def by_corruption(names: Sequence[str], answers: Answers, baseline: Answers | None) -> Iterator[CorruptionError]:
    """A row for each corruption."""
    for k, name in enumerate(names):
        of_baseline = None if baseline is None else baseline.errors[k]
        yield CorruptionError(
            corruption=name,
            error=mean_share(answers.errors[k], answers.group),
            baseline=None if of_baseline is None else mean_share(of_baseline, answers.group),
            relative=None if of_baseline is None else _ratio(answers.errors[k : k + 1], of_baseline[None], answers.group),
        )


def by_severity(names: Sequence[str], answers: Answers, baseline: Answers | None) -> Iterator[CorruptionRow]:
    """A row for each corruption and severity."""
    for k, name in enumerate(names):
        for place, severity in enumerate(SEVERITIES):
            yield CorruptionRow(
                corruption=name,
                severity=severity,
                accuracy=share_of(answers.corrupted[k, place], answers.group),
                baseline=None if baseline is None else share_of(baseline.corrupted[k, place], answers.group),
            )


def _ratio(errors: Floats, of_baseline: Floats, group: NDArray[np.int64] | None) -> Estimate | PointEstimate | None:
    """The mean over rows of the ratio of both sums, (rows, n) each.

    The interval is the jackknife's on the scale of logarithms, by `group` (n,) if images come in groups. None if the baseline
    has no error in a row.
    """
    n = errors.shape[1]
    of = _mean_ratio(errors, of_baseline)
    value = of(np.ones(n, dtype=bool))
    if value is None:
        return None
    why = too_few(n, group)
    without = [] if why else [of(part) for part in kept(n, group, seed=0)]
    known = np.array([one for one in without if one is not None])
    ends = interval(value, known, POSITIVE) if len(known) == len(without) and len(known) else None
    if ends is None or ends[1] > _WIDEST * ends[0]:
        return PointEstimate(value=value, n=n, why=why or "too few errors")
    return Estimate(value, *ends, n)


def _mean_ratio(errors: Floats, of_baseline: Floats) -> Callable[[Bools], float | None]:
    def of(part: Bools) -> float | None:
        above, below = errors[:, part].sum(1), of_baseline[:, part].sum(1)
        return float((above / below).mean()) if (below > 0).all() else None

    return of
