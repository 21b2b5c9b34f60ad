"""Projected gradient descent from random starts (Madry et al. 2018, arXiv 1706.06083, sections 2.1 and 4)."""

from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import RowGenerators, ThreatModel
from dlcli.core.attacks.iterated import FixedStep, RandomStarts


@dataclass(frozen=True)
class PGD(RandomStarts, FixedStep):
    """From a point drawn uniformly from the ball, steps of 2.5 * eps / steps along the steepest ascent of the norm.

    Without `random_start` every run begins at the clean image, so only the first of the `restarts` is of use.
    """

    raises_cross_entropy = True

    norms = ("linf", "l2", "l1")
    total_step_factor = 2.5

    steps: int = 40
    random_start: bool = True

    @override
    def start(self, clean: Tensor, threat: ThreatModel, generators: RowGenerators) -> Tensor:
        """Random points of the ball, or the clean images."""
        return super().start(clean, threat, generators) if self.random_start else clean


ATTACK = PGD()
