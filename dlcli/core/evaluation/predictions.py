"""What a classifier predicts for a set of labelled examples, from which all figures of `dlcli eval` are computed."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation import metrics
from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.grouped import exact_share_of, share_of
from dlcli.specs.estimates import Estimate


@dataclass(frozen=True)
class Predictions:
    """Predictions for one set of examples.

    Attributes:
        y: The correct outputs, (n,).
        predicted: The predicted ones, (n,).
        outputs: Names of the outputs.
        log_p: Log-probabilities, (n, outputs); None if they are not known.
        confidence: The probability of the predicted output, (n,) in [0, 1]; None if it is not known.
        group: The group of each example, (n,) from 0 on; None without groups.
        loss: The negative log-probability of the correct output, (n,), where it is known with more digits than `log_p` has.
    """

    y: Labels
    predicted: Labels
    outputs: tuple[str, ...]
    log_p: Floats | None = None
    confidence: Floats | None = None
    group: Labels | None = None
    loss: Floats | None = None

    @property
    def with_losses(self) -> Floats | None:
        """`log_p` with those of the correct outputs as `loss` has them: for likelihoods; in ranks they would decide ties."""
        if self.log_p is None or self.loss is None:
            return self.log_p
        found = self.log_p.copy()
        found[np.arange(len(self.y)), self.y] = -self.loss
        return found

    def accuracy(self, inside: NDArray[np.bool_]) -> Estimate:
        """The accuracy on the examples `inside` (n,)."""
        return share_of(self.correct[inside], None if self.group is None else self.group[inside])

    def worst(self, inside: NDArray[np.bool_], among: int) -> Estimate:
        """The accuracy on the examples `inside`, which were selected among several sets for it."""
        return exact_share_of(self.correct[inside], None if self.group is None else self.group[inside], among=among)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which predictions are correct, (n,) bool."""
        found: NDArray[np.bool_] = self.predicted == self.y
        return found


def of_logits(logits: NDArray[np.floating], y: Labels, outputs: tuple[str, ...], group: Labels | None = None) -> Predictions:
    """The predictions of a network.

    Args:
        logits: Its logits, (n, outputs).
        y: The correct outputs, (n,).
        outputs: Their names.
        group: The group of each example, (n,) from 0 on, if they come in groups.
    """
    log_p = metrics.log_probabilities(logits)
    return Predictions(y, metrics.ranking(logits, 1)[:, 0], outputs, log_p, np.exp(log_p.max(1)), group)


def with_group(predictions: Predictions, group: Labels | None) -> Predictions:
    """The same predictions of examples in groups (n,), numbered from 0 on."""
    return replace(predictions, group=group)
