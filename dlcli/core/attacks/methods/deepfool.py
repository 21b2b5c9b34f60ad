"""DeepFool: to the nearest boundary of the network made linear, again and again (Moosavi-Dezfooli et al. 2016).

arXiv 1511.04599, algorithm 2, and equation 10 for norms other than the Euclidean.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.margin import View, likeliest_wrong, nearest_face
from dlcli.core.attacks.minimum_norm import Hunting
from dlcli.core.attacks.norms import like_images
from dlcli.support.errors import UsageError

# As the authors' code does, each step goes on by this share of the range of values: the last ones would be too short else.
_BEYOND = 1e-4


@dataclass(frozen=True)
class DeepFool(Hunting):
    """Steps to the nearest boundary with the `classes` likeliest wrong classes, until one is crossed.

    The image is the clean one plus (1 + `overshoot`) times the sum of the steps.
    """

    targeted = False
    ends_at_success = True

    steps: int = 50
    overshoot: float = 0.02
    classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("classes", self.classes)
        if not (math.isfinite(self.overshoot) and self.overshoot >= 0):
            raise UsageError(f"overshoot is {self.overshoot}", hint="give a number from 0 up")

    def memory(self, lanes: Lanes, logits: Tensor, threat: Threat) -> Mapping[str, Tensor]:
        """The sum of the steps, and the classes whose boundaries are looked at."""
        return {"sum": torch.zeros_like(lanes.x), "rivals": likeliest_wrong(logits, lanes.label, self.classes)}

    def move(self, lanes: Lanes, view: View, fooled: Tensor, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One step to the nearest boundary."""
        face = nearest_face(view, lanes.label, lanes.memory["rivals"], threat.norm)
        distance = face.distance(threat.norm) + _BEYOND * (threat.bounds[1] - threat.bounds[0])
        step = like_images(distance, lanes.x) * threat.measure.steepest(face.gradient)
        total = lanes.memory["sum"] + step
        return lanes.clean + (1 + self.overshoot) * total, {**lanes.memory, "sum": total}


ATTACK = DeepFool()
