"""FAB, the fast adaptive boundary attack (Croce & Hein 2020, arXiv 1907.02044, algorithm 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.fab_projection import onto_hyperplane
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.margin import Face, View, aim_of, likeliest_wrong, margin_face, nearest_face
from dlcli.core.attacks.minimum_norm import Hunting
from dlcli.core.attacks.norms import like_images

# The published settings: how far a step goes beyond the boundary (eta), the greatest weight of the clean image (alpha max),
# and where between the clean image and a success the search goes on (beta).
_OVERSHOOT, _MOST_BIAS, _BACK = 1.05, 0.1, 0.9
_SHORTEST = 1e-8


@dataclass(frozen=True)
class FAB(Hunting):
    """Steps onto the nearest boundary of the network made linear, drawn towards the clean image's own nearest point of it.

    The boundary is that with any of the `classes` likeliest wrong classes. Of an image's `restarts` runs, all but the first
    begin at a point drawn within half the distance of its nearest success, or of eps.
    """

    # It crosses the boundary where that is easy and comes back along it: held to the ball, it finds less.
    confined: ClassVar[bool] = False

    restarts: int = 1
    classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("restarts", self.restarts)
        check_count("classes", self.classes)

    @property
    def tries(self) -> int:
        """As many as there are restarts."""
        return self.restarts

    def start(self, clean: Tensor, threat: Threat, radius: float, restart: int, generator: torch.Generator) -> Tensor:
        """The image itself, or in later runs a point of the ball."""
        if restart == 0:
            return clean
        return clean + radius / 2 * threat.measure.draw(clean.shape, generator).to(clean.dtype)

    def memory(self, lanes: Lanes, logits: Tensor, threat: Threat) -> Mapping[str, Tensor]:
        """The classes whose boundaries are looked at."""
        return {"rivals": likeliest_wrong(logits, lanes.label, self.classes)}

    def move(self, lanes: Lanes, view: View, fooled: Tensor, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Back towards the clean image after a success, then one step to the boundary."""
        x, clean = lanes.x, lanes.clean
        if bool(fooled.any()):
            x = torch.where(like_images(fooled, x), clean + _BACK * (x - clean), x)
            view = view.at(x)
        face = self._face(view, lanes, threat)
        own, other = _to_face(face, x, x, threat), _to_face(face, x, clean, threat)
        far, near = (threat.measure.length(change).clamp_min(_SHORTEST) for change in (own, other))
        bias = like_images((far / (far + near)).clamp_max(_MOST_BIAS), x)
        return (1 - bias) * (x + _OVERSHOOT * own) + bias * (clean + _OVERSHOOT * other), lanes.memory

    def _face(self, view: View, lanes: Lanes, threat: Threat) -> Face:
        aim = aim_of(lanes)
        if aim is not None:
            return margin_face(view, lanes.label, aim)
        return nearest_face(view, lanes.label, lanes.memory["rivals"], threat.norm)


def _to_face(face: Face, x: Tensor, origin: Tensor, threat: Threat) -> Tensor:
    """The shortest change of `origin` (n, ...) onto the boundary as seen from `x`, within the bounds."""
    lead = face.lead + (face.gradient * (origin - x)).flatten(1).sum(1)
    return onto_hyperplane(origin, face.gradient, -lead, threat.bounds, threat.norm)


ATTACK = FAB()
