"""FAB, the fast adaptive boundary attack (Croce & Hein 2020, arXiv 1907.02044, algorithm 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import RowGenerators, ThreatModel, check_count
from dlcli.core.attacks.batch import ActiveBatch, indices
from dlcli.core.attacks.fab_projection import onto_hyperplane
from dlcli.core.attacks.margin import (
    ForwardPass,
    LinearBoundary,
    margin_boundary,
    nearest_boundary,
    top_wrong_classes,
)
from dlcli.core.attacks.minimum_norm import GradientMinimumNorm
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.pool import NextStep
from dlcli.core.compute.device import send

# The published settings: the extrapolation of a step beyond the boundary (eta), the greatest weight of the clean image
# (alpha max), and the point between clean image and success from which the search goes on (beta).
_ETA, _ALPHA_MAX, _BETA = 1.05, 0.1, 0.9
_MIN_LENGTH = 1e-8


@dataclass(frozen=True)
class FAB(GradientMinimumNorm):
    """Steps onto the nearest boundary of the linearised network, biased towards the point of it nearest to the clean image.

    The boundary is that with any of the `classes` likeliest wrong classes. Of the `restarts` runs of an image, all but the
    first begin at a random point within half the distance of its nearest success, or half of eps.
    """

    # It crosses the boundary where that is easy and comes back along it: projected into the ball, it would find less.
    stays_in_ball: ClassVar[bool] = False

    restarts: int = 1
    classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("restarts", self.restarts)
        check_count("classes", self.classes)

    @override
    def start(self, clean: Tensor, threat: ThreatModel, radius: Tensor, restart: Tensor, generators: RowGenerators) -> Tensor:
        """The clean images, or in later runs random points near them."""
        later = indices(restart > 0)
        if not len(later):
            return clean
        drawn = [
            float(radius[k]) / 2 * threat.measure.draw(clean.shape[1:], generators(k)).to(clean.dtype) for k in later.tolist()
        ]
        points, there = clean.clone(), send(later, clean.device)
        points[there] += send(torch.stack(drawn), clean.device)
        return points

    @override
    def memory(self, batch: ActiveBatch, logits: Tensor, threat: ThreatModel) -> Mapping[str, Tensor]:
        """The classes whose boundaries are considered."""
        return {"rivals": top_wrong_classes(logits, batch.label, self.classes)}

    @override
    def step(self, batch: ActiveBatch, forward: ForwardPass, success: Tensor, threat: ThreatModel) -> NextStep:
        """Back towards the clean image after a success, then one step to the boundary."""
        x, clean = batch.x, batch.clean
        if bool(success.any()):
            x = torch.where(like_images(success, x), clean + _BETA * (x - clean), x)
            forward = forward.at(x)
        boundary = self._boundary(forward, batch, threat)
        # Both the current point and the clean image are projected onto the boundary, and the step is a mean of the two: the
        # first makes progress, the second pulls towards the nearest point. A current point far from the boundary is
        # trusted less, hence alpha.
        own, other = _onto_boundary(boundary, x, x, threat), _onto_boundary(boundary, x, clean, threat)
        own_length, other_length = (threat.measure.length(change).clamp_min(_MIN_LENGTH) for change in (own, other))
        alpha = like_images((own_length / (own_length + other_length)).clamp_max(_ALPHA_MAX), x)
        return NextStep((1 - alpha) * (x + _ETA * own) + alpha * (clean + _ETA * other), batch.memory)

    def _boundary(self, forward: ForwardPass, batch: ActiveBatch, threat: ThreatModel) -> LinearBoundary:
        if batch.target_class is not None:
            return margin_boundary(forward, batch.label, batch.target_class)
        return nearest_boundary(forward, batch.label, batch.memory["rivals"], threat.norm)


def _onto_boundary(boundary: LinearBoundary, x: Tensor, origin: Tensor, threat: ThreatModel) -> Tensor:
    """The shortest change of `origin` (n, ...) within the bounds onto the boundary that was linearised at `x`."""
    margin = boundary.margin + (boundary.gradient * (origin - x)).flatten(1).sum(1)
    return onto_hyperplane(origin, boundary.gradient, -margin, threat.bounds, threat.norm)


ATTACK = FAB()
