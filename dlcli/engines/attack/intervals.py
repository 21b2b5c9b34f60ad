"""Intervals of shares of images: of a number that is fixed in advance, or of a run that may stop at any moment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.anytime import anytime_difference, anytime_share
from dlcli.core.grouped import difference_of, mean_share
from dlcli.core.stats import quantile
from dlcli.specs.estimates import Difference, Estimate, PointEstimate

Share = NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """How intervals are made.

    Attributes:
        whole: Number of images of the set from which a run that stopped took some in random order; None where all were taken.
            Shares and differences are those of the whole set then, and hold whenever the run stops, but for means over
            networks: these are fractions, which are not counted.
        group: The group of each image, (n,) from 0 on, if they come in groups.
    """

    whole: int | None = None
    group: NDArray[np.int64] | None = None

    def share(self, values: Share) -> Estimate:
        """The mean of values in [0, 1], one for each image."""
        if self.whole is None or not _counts(values):
            return mean_share(values, self.group)
        return anytime_share(int(values.sum()), len(values), self.whole)

    def difference(self, a: Share, b: Share) -> Difference:
        """The mean of `a - b`, paired by image."""
        if self.whole is None or not (_counts(a) and _counts(b)):
            return difference_of(a, b, self.group)
        return anytime_difference(int((a > b).sum()), int((b > a).sum()), len(a), self.whole)

    def quantile(self, values: Share, share: float) -> Estimate | PointEstimate:
        """The quantile at `share` of a value of each of some images; without an interval if these come in groups."""
        found = quantile(values, share)
        return found if self.group is None else PointEstimate(value=found.value, n=found.n, why="images in groups")


FIXED = Intervals()


def _counts(values: Share) -> bool:
    return bool(np.isin(values, (0, 1)).all())
