"""The fast minimum-norm attack (Pintor et al. 2021, arXiv 2102.12827, algorithm 1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.margin import View, aim_of, margin_face
from dlcli.core.attacks.minimum_norm import Hunting
from dlcli.core.attacks.norms import like_images, unit
from dlcli.support.errors import UsageError

# Until the first success the ball reaches this much further than the boundary, or rounding would keep the image before it.
_BEYOND = 1.001


@dataclass(frozen=True)
class FMN(Hunting):
    """Steps along the gradient of the margin within a ball that shrinks after a success and grows after a failure.

    Until the first success the ball reaches to the boundary of the network made linear. Its radius changes by the share
    `gamma`, and the steps are `step_size` times the range of values long (Euclidean); both fall to 0 along a cosine.
    """

    gamma: float = 0.05
    step_size: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.gamma < 1:
            raise UsageError(f"gamma is {self.gamma}", hint="give a number between 0 and 1")
        if not (math.isfinite(self.step_size) and self.step_size > 0):
            raise UsageError(f"step_size is {self.step_size}", hint="give a number above 0, in shares of the range of values")

    def memory(self, lanes: Lanes, logits: Tensor, threat: Threat) -> Mapping[str, Tensor]:
        """The radius of the ball, and the length of the nearest success."""
        return {"radius": lanes.x.new_zeros(len(lanes)), "best": lanes.x.new_full((len(lanes),), torch.inf)}

    def move(self, lanes: Lanes, view: View, fooled: Tensor, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One turn of the algorithm's loop."""
        face = margin_face(view, lanes.label, aim_of(lanes))
        fall = (1 + torch.cos(math.pi * lanes.step / self.steps)) / 2
        length = threat.measure.length(lanes.x - lanes.clean)
        best = torch.where(fooled, torch.minimum(lanes.memory["best"], length), lanes.memory["best"])
        gamma, radius = self.gamma * fall, lanes.memory["radius"]
        grown = torch.where(torch.isinf(best), _BEYOND * (length + face.distance(threat.norm)), radius * (1 + gamma))
        radius = torch.where(fooled, torch.minimum(radius * (1 - gamma), best), grown).clamp_max(threat.eps)
        step = self.step_size * (threat.bounds[1] - threat.bounds[0]) * fall
        change = lanes.x - lanes.clean + like_images(step, lanes.x) * unit(face.gradient)
        return lanes.clean + _within(change, radius, threat), {"radius": radius, "best": best}


def _within(change: Tensor, radius: Tensor, threat: Threat) -> Tensor:
    """Each change (n, ...) brought into the ball of its own `radius` (n,)."""
    reach = like_images(radius, change)
    if threat.norm == "linf":
        return torch.minimum(torch.maximum(change, -reach), reach)
    length = like_images(threat.measure.length(change), change)
    return change * torch.where(length > reach, reach / length, 1)


ATTACK = FMN()
