"""Auto-PGD on the cross-entropy, APGD-CE (Croce & Hein 2020, arXiv 2003.01690)."""

from dataclasses import dataclass

from dlcli.core.attacks.apgd import APGD


@dataclass(frozen=True)
class APGDCE(APGD):
    """Increases the cross-entropy of the label, or decreases that of the target."""

    raises_cross_entropy = True


ATTACK = APGDCE()
