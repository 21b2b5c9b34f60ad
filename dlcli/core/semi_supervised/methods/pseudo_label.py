"""`pseudo-label`: the most probable class of an unlabelled image is taken for its label, with a weight that rises.

Lee 2013 (ICML workshop on challenges in representation learning), equations 15 and 16: the weight is 0 at first, rises linearly
and stays at 3. The paper's times, 100 and 600 epochs, are shares of the steps here: a tenth and six tenths.
"""

from dataclasses import dataclass

import torch.nn.functional as F

from dlcli.core.semi_supervised.base import SemiBatch, SemiLosses, SemiSettings, SemiSupervised, ramp

_WEIGHT, _START, _END = 3.0, 0.1, 0.6


@dataclass(frozen=True)
class PseudoLabel(SemiSupervised):
    """See the module."""

    weight: float
    least: float

    def losses(self, batch: SemiBatch) -> SemiLosses:
        """See `SemiSupervised`."""
        logits = batch.net(batch.views[:, 0])
        probability, label = logits.detach().softmax(1).max(1)
        each = F.cross_entropy(logits, label, reduction="none") * (probability >= self.least)
        return SemiLosses(batch.supervised, self.weight * ramp(batch.done, batch.total, _START, _END) * each.mean())

    @property
    def threshold(self) -> float:
        """See `SemiSupervised`."""
        return self.least

    @property
    def shown(self) -> str:
        """See `SemiSupervised`."""
        limit = f" from a probability of {self.least:g}" if self.least else ""
        return f"pseudo-labels{limit}, weight 0 for a tenth of the steps, rising to {self.weight:g} at six tenths"


def method(settings: SemiSettings) -> PseudoLabel:
    """Pseudo-labels with the paper's weight and no threshold unless others are given."""
    return PseudoLabel(_WEIGHT if settings.weight is None else settings.weight, settings.threshold or 0.0)
