"""The basic iterative method: FGSM in small steps (Kurakin et al. 2017, arXiv 1607.02533, section 2.2)."""

from dataclasses import dataclass

from dlcli.core.attacks.iterated import FixedStep


@dataclass(frozen=True)
class BIM(FixedStep):
    """Steps of eps / steps from the clean image along the steepest ascent of the norm, each projected into the ball.

    Targeted, it is the iterative target class method of the same paper, section 2.3.
    """

    norms = ("linf", "l2", "l1")
    raises_cross_entropy = True

    steps: int = 10


ATTACK = BIM()
