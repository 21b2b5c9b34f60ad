"""`simclr`: two random changes of an image should be closer than those of different images.

Chen et al. 2020 (arXiv 2002.05709): NT-Xent, the cross-entropy of cosines over the temperature, of a projection head whose
input is used later and whose output is not. Images are cropped, resized, mirrored and jittered in colour.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcli.core.objectives.base import Objective
from dlcli.core.pretraining.base import Pretraining, PretrainingSettings, changed_views

_TEMPERATURE, _PROJECTED = 0.5, 128


@dataclass(frozen=True)
class CosineContrast(Objective):
    """NT-Xent, see the module."""

    joint: ClassVar[bool] = True
    temperature: float

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean over the views (n, 2, d) of n images: which of the others is of the same image; labels do not count."""
        unit = F.normalize(torch.cat([outputs[:, 0], outputs[:, 1]]), dim=1)
        n = len(outputs)
        itself = torch.eye(2 * n, dtype=torch.bool, device=unit.device)
        closeness = (unit @ unit.T / self.temperature).masked_fill(itself, -torch.inf)
        partner = torch.arange(2 * n, device=unit.device).roll(n)
        return F.cross_entropy(closeness, partner)


def _projection(d: int) -> nn.Module:
    return nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, _PROJECTED))


def pretraining(settings: PretrainingSettings) -> Pretraining:
    """SimCLR with the temperature 0.5 and a head of two layers."""
    shown = f"temperature {_TEMPERATURE:g}, a projection head with {_PROJECTED} outputs in pre-training only"
    return Pretraining(CosineContrast(_TEMPERATURE), shown=shown, views=changed_views(settings), head=_projection)
