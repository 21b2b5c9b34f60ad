"""`fixmatch`: the label that is predicted for a weakly changed image, if it is probable, is that of the strongly changed one.

Sohn et al. 2020 (arXiv 2001.07685), equations 3 and 4: cross-entropy of the strongly changed image with the most probable class
of the weakly changed one, 0 where its probability is below the threshold, averaged over all unlabelled images. Seven of these
for each labelled image. Weak changes are those of labelled images.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F

from dlcli.core.semi_supervised.base import SemiBatch, SemiLosses, SemiSettings, SemiSupervised
from dlcli.core.semi_supervised.strong import strong_change
from dlcli.core.training.augment import Augmentation
from dlcli.core.training.random_change import RandomChange
from dlcli.core.training.views import views_of


@dataclass(frozen=True)
class FixMatch(SemiSupervised):
    """See the module."""

    weight: float
    least: float
    ratio: ClassVar[int] = 7

    def views(self, weak: Augmentation, size: tuple[int, int]) -> RandomChange:
        """See `SemiSupervised`."""
        return views_of(weak, Augmentation((*weak.changes, strong_change(size))))

    def losses(self, batch: SemiBatch) -> SemiLosses:
        """See `SemiSupervised`."""
        weak, strong = batch.views.unbind(1)
        with torch.no_grad():
            probability, label = batch.net(weak).softmax(1).max(1)
        each = F.cross_entropy(batch.net(strong), label, reduction="none")
        return SemiLosses(batch.supervised, self.weight * (each * (probability >= self.least)).mean())

    @property
    def threshold(self) -> float:
        """See `SemiSupervised`."""
        return self.least

    @property
    def shown(self) -> str:
        """See `SemiSupervised`."""
        return f"pseudo-labels from a probability of {self.least:g}, weight {self.weight:g}"


def method(settings: SemiSettings) -> FixMatch:
    """FixMatch with the paper's weight 1 and threshold 0.95 unless others are given."""
    return FixMatch(
        1.0 if settings.weight is None else settings.weight, 0.95 if settings.threshold is None else settings.threshold
    )
