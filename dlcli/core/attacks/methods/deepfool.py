"""DeepFool: repeated steps to the nearest boundary of the linearised network (Moosavi-Dezfooli et al. 2016).

arXiv 1511.04599, algorithm 2, and equation 10 for norms other than l2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import ThreatModel, check_count
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.margin import ForwardPass, nearest_boundary, top_wrong_classes
from dlcli.core.attacks.minimum_norm import GradientMinimumNorm
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.pool import NextStep
from dlcli.support.errors import UsageError

# As in the authors' code, each step is longer by this fraction of the range of values: the last steps would be too short.
_EXTRA_STEP = 1e-4


@dataclass(frozen=True)
class DeepFool(GradientMinimumNorm):
    """Steps to the nearest boundary with the `classes` likeliest wrong classes, until one is crossed.

    The image is the clean one plus (1 + `overshoot`) times the sum of the steps.
    """

    targeted = False
    stops_at_success = True

    steps: int = 50
    overshoot: float = 0.02
    classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("classes", self.classes)
        if not (math.isfinite(self.overshoot) and self.overshoot >= 0):
            raise UsageError(f"`overshoot` is {self.overshoot}", hint="give a number of at least 0")

    @override
    def memory(self, batch: ActiveBatch, logits: Tensor, threat: ThreatModel) -> Mapping[str, Tensor]:
        """The sum of the steps, and the classes whose boundaries are considered."""
        return {"sum": torch.zeros_like(batch.x), "rivals": top_wrong_classes(logits, batch.label, self.classes)}

    @override
    def step(self, batch: ActiveBatch, forward: ForwardPass, success: Tensor, threat: ThreatModel) -> NextStep:
        """One step to the nearest boundary."""
        boundary = nearest_boundary(forward, batch.label, batch.memory["rivals"], threat.norm)
        distance = boundary.distance(threat.norm) + _EXTRA_STEP * (threat.bounds[1] - threat.bounds[0])
        step = like_images(distance, batch.x) * threat.measure.steepest(boundary.gradient)
        total = batch.memory["sum"] + step
        return NextStep(batch.clean + (1 + self.overshoot) * total, {**batch.memory, "sum": total})


ATTACK = DeepFool()
