"""Auto-PGD on the difference of logits ratio, APGD-DLR (Croce & Hein 2020, arXiv 2003.01690, equation 6)."""

from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.apgd import APGD
from dlcli.core.attacks.losses import difference_of_logits_ratio


@dataclass(frozen=True)
class APGDDLR(APGD):
    """Increases a loss whose gradient does not vanish where the network is very confident, unlike that of the cross-entropy."""

    targeted = False
    min_classes = 3

    @override
    def loss(self, logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
        """The ratio."""
        return difference_of_logits_ratio(logits, label)


ATTACK = APGDDLR()
