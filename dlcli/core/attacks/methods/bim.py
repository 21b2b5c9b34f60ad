"""The basic iterative method: FGSM in small steps (Kurakin et al. 2017, arXiv 1607.02533, section 2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.gradient import Slope
from dlcli.core.attacks.iterated import FixedStep


@dataclass(frozen=True)
class BIM(FixedStep):
    """From the image itself, steps of eps / steps along the steepest ascent of the norm, each projected into the ball.

    Targeted it is the iterative target class method of the same paper, section 2.3.
    """

    steps: int = 10

    def move(self, lanes: Lanes, slope: Slope, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One step of fixed length."""
        return lanes.x + self.step_of(threat.eps) * threat.measure.steepest(slope.gradient), lanes.memory


ATTACK = BIM()
