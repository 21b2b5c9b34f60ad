"""`mean-teacher`: predictions should agree with those of a moving average of the weights, for other noise.

Tarvainen and Valpola 2017 (arXiv 1703.01780): the mean squared difference of the probabilities of two views of each unlabelled
image, changed as labelled images are and with Gaussian noise of standard deviation 0.15; its weight rises as
exp(-5 (1 - t)^2) over the first four tenths of the steps. The average (`ema`) is the network that training ends with.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcli.core.compute.rng import generator
from dlcli.core.semi_supervised.base import SemiBatch, SemiLosses, SemiSettings, SemiSupervised, ramp
from dlcli.core.training.augment import Augmentation
from dlcli.core.training.random_change import RandomChange
from dlcli.core.training.views import views_of

_WEIGHT, _RISE, _NOISE = 50.0, 0.4, 0.15


def _noise() -> RandomChange:
    def draw(shape: torch.Size, source: torch.Generator) -> int:
        return int(torch.randint(2**62, (), generator=source))

    def apply(x: Tensor, seed: int) -> Tensor:
        return (x + _NOISE * torch.randn(x.shape, generator=generator(seed)).to(x.device)).clamp(0, 1)

    return RandomChange(draw, apply)


@dataclass(frozen=True)
class MeanTeacher(SemiSupervised):
    """See the module."""

    weight: float
    needs_average: ClassVar[bool] = True

    def views(self, weak: Augmentation, size: tuple[int, int]) -> RandomChange:
        """See `SemiSupervised`."""
        noisy = Augmentation((*weak.changes, _noise()))
        return views_of(noisy, noisy)

    def losses(self, batch: SemiBatch) -> SemiLosses:
        """See `SemiSupervised`."""
        student, teacher = batch.net(batch.views[:, 0]).softmax(1), batch.average(batch.views[:, 1]).softmax(1)
        weight = self.weight * math.exp(-5 * (1 - ramp(batch.done, batch.total, 0.0, _RISE)) ** 2)
        return SemiLosses(batch.supervised, weight * F.mse_loss(student, teacher))

    @property
    def shown(self) -> str:
        """See `SemiSupervised`."""
        return f"agreement with the average of the weights, weight rising to {self.weight:g} at four tenths of the steps"


def method(settings: SemiSettings) -> MeanTeacher:
    """Mean teacher, with a weight of 50 unless another is given."""
    return MeanTeacher(_WEIGHT if settings.weight is None else settings.weight)
