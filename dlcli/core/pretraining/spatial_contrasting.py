"""`spatial-contrasting`: two patches of an image should have features closer than patches of different images.

Hoffer, Hubara, Ailon 2016 (arXiv 1610.00243), equation 4: each first patch is to be assigned to the second patch of its own
image among those of all images of the batch, by a softmax of minus the Euclidean distances of features.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcli.core.objectives.base import Objective
from dlcli.core.pretraining.base import Pretraining, PretrainingSettings
from dlcli.core.training.views import two_patches
from dlcli.support.errors import UsageError

_LEAST = 1e-12
"""Added below the root, whose derivative at 0 is infinite."""


@dataclass(frozen=True)
class DistanceContrast(Objective):
    """See the module."""

    joint: ClassVar[bool] = True

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The cross-entropy of features (n, 2, d) of two patches of n images; labels do not count."""
        first, second = outputs[:, 0].contiguous(), outputs[:, 1].contiguous()
        # Without products of matrices, which would lose the difference of features that lie close together.
        apart = torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")
        apart = (apart.square() + _LEAST).sqrt()
        return F.cross_entropy(-apart, torch.arange(len(apart), device=apart.device))


def pretraining(settings: PretrainingSettings) -> Pretraining:
    """Pre-training on patches whose side is `settings.patch`, by default half of the shorter side of the images.

    Raises UsageError if a patch is larger than the images.
    """
    height, width = settings.size
    side = settings.patch or max(1, min(height, width) // 2)
    if side > min(height, width):
        message = f"`patch`: {side} is more than the side of the images, which have {height}x{width} pixels"
        raise UsageError(message, hint=f"choose at most {min(height, width)}")
    shown = f"patches of {side}x{side} pixels"
    return Pretraining(DistanceContrast(), shown=shown, views=two_patches(side), side=side)
