"""`entropy`: the classes predicted for unlabelled images should be certain, whichever they are.

Grandvalet and Bengio 2005 (NIPS 17), equation 8: the mean entropy of the predicted classes is added to the loss.
"""

from dataclasses import dataclass

from dlcli.core.semi_supervised.base import SemiBatch, SemiLosses, SemiSettings, SemiSupervised


@dataclass(frozen=True)
class EntropyMinimisation(SemiSupervised):
    """See the module."""

    weight: float

    def losses(self, batch: SemiBatch) -> SemiLosses:
        """See `SemiSupervised`."""
        log_p = batch.net(batch.views[:, 0]).log_softmax(1)
        return SemiLosses(batch.supervised, -self.weight * (log_p.exp() * log_p).sum(1).mean())

    @property
    def shown(self) -> str:
        """See `SemiSupervised`."""
        return f"entropy of the predicted classes, weight {self.weight:g}"


def method(settings: SemiSettings) -> EntropyMinimisation:
    """Entropy minimisation, with a weight of 1 unless another is given."""
    return EntropyMinimisation(1.0 if settings.weight is None else settings.weight)
