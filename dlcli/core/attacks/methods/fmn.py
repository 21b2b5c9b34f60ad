"""The fast minimum-norm attack (Pintor et al. 2021, arXiv 2102.12827, algorithm 1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import ThreatModel
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.l1_ball import into_l1_ball
from dlcli.core.attacks.margin import ForwardPass, margin_boundary
from dlcli.core.attacks.minimum_norm import GradientMinimumNorm
from dlcli.core.attacks.norms import like_images, unit
from dlcli.core.attacks.pool import NextStep
from dlcli.core.compute.device import send
from dlcli.support.errors import UsageError

# Until the first success the ball reaches this much beyond the boundary, or rounding would keep the image on the near side.
_BEYOND_BOUNDARY = 1.001


@dataclass(frozen=True)
class FMN(GradientMinimumNorm):
    """Steps along the gradient of the margin within a ball that shrinks after a success and grows after a failure.

    Until the first success the ball reaches to the boundary of the linearised network. Then its radius changes by the factor
    1 - `gamma` or 1 + `gamma`. A step has the l2 norm `step_size` times the range of values. Gamma and the step size decay
    to 0 along a cosine.
    """

    norms = ("linf", "l2", "l1")

    gamma: float = 0.05
    step_size: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.gamma < 1:
            raise UsageError(f"`gamma` is {self.gamma}", hint="give a number between 0 and 1")
        if not (math.isfinite(self.step_size) and self.step_size > 0):
            raise UsageError(f"`step_size` must be above 0, not {self.step_size}", hint="it is in units of the range of values")

    @override
    def memory(self, batch: ActiveBatch, logits: Tensor, threat: ThreatModel) -> Mapping[str, Tensor]:
        """The radius of the ball, and the length of the nearest success so far."""
        return {"radius": batch.x.new_zeros(len(batch)), "best": batch.x.new_full((len(batch),), torch.inf)}

    @override
    def step(self, batch: ActiveBatch, forward: ForwardPass, success: Tensor, threat: ThreatModel) -> NextStep:
        """One iteration of the algorithm."""
        boundary = margin_boundary(forward, batch.label, batch.target_class)
        decay = send((1 + torch.cos(math.pi * batch.step / self.steps)) / 2, batch.x.device)
        length = threat.measure.length(batch.x - batch.clean)
        best = torch.where(success, torch.minimum(batch.memory["best"], length), batch.memory["best"])
        gamma, radius = self.gamma * decay, batch.memory["radius"]
        grown = torch.where(
            torch.isinf(best), _BEYOND_BOUNDARY * (length + boundary.distance(threat.norm)), radius * (1 + gamma)
        )
        radius = torch.where(success, torch.minimum(radius * (1 - gamma), best), grown).clamp_max(threat.eps)
        step = self.step_size * (threat.bounds[1] - threat.bounds[0]) * decay
        change = batch.x - batch.clean + like_images(step, batch.x) * unit(boundary.gradient)
        return NextStep(batch.clean + _project(change, radius, threat), {"radius": radius, "best": best})


def _project(change: Tensor, radius: Tensor, threat: ThreatModel) -> Tensor:
    """Each change (n, ...) projected into the ball of its own `radius` (n,)."""
    limit = like_images(radius, change)
    if threat.norm == "linf":
        return torch.minimum(torch.maximum(change, -limit), limit)
    if threat.norm == "l1":
        return into_l1_ball(change, torch.zeros_like(change), radius)
    length = like_images(threat.measure.length(change), change)
    return change * torch.where(length > limit, limit / length, 1)


ATTACK = FMN()
