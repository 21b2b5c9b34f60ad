"""`vicreg`: features of two changes of an image should be equal, and each feature vary, uncorrelated with the others.

Bardes, Ponce, LeCun 2022 (arXiv 2105.04906): 25 times the mean squared difference, 25 times the hinge of the standard
deviation below 1, and once the squared covariances, of the outputs of an expander of three layers. Nothing is contrasted.
The hinge is the mean of those of the two views, as in the authors' code; the paper's equation 6 adds them.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcli.core.objectives.base import Objective
from dlcli.core.pretraining.base import Pretraining, PretrainingSettings, changed_views

_WEIGHTS, _WIDTH = (25.0, 25.0, 1.0), 512
_LEAST = 1e-4
"""Added below the root of the variance, as in the paper's algorithm 1."""


@dataclass(frozen=True)
class VarianceInvarianceCovariance(Objective):
    """See the module; weights of the difference, the variance and the covariance."""

    joint: ClassVar[bool] = True
    weights: tuple[float, float, float]

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The loss of outputs (n, 2, d) of two views of n images, of which there are two or more; labels do not count."""
        first, second = outputs[:, 0], outputs[:, 1]
        difference = F.mse_loss(first, second)
        variance = (_low_deviation(first) + _low_deviation(second)) / 2
        covariance = _covariance(first) + _covariance(second)
        return self.weights[0] * difference + self.weights[1] * variance + self.weights[2] * covariance


def _low_deviation(z: Tensor) -> Tensor:
    return F.relu(1 - (z.var(0) + _LEAST).sqrt()).mean()


def _covariance(z: Tensor) -> Tensor:
    """The squares of the covariances of different features (n, d), summed, over d."""
    centred = z - z.mean(0)
    found = centred.T @ centred / (len(z) - 1)
    return found.masked_fill(torch.eye(len(found), dtype=torch.bool, device=z.device), 0.0).square().sum() / len(found)


def _expander(d: int) -> nn.Module:
    hidden = [[nn.Linear(n, _WIDTH), nn.BatchNorm1d(_WIDTH), nn.ReLU()] for n in (d, _WIDTH)]
    return nn.Sequential(*hidden[0], *hidden[1], nn.Linear(_WIDTH, _WIDTH))


def pretraining(settings: PretrainingSettings) -> Pretraining:
    """VICReg with the paper's weights and a narrower expander, of 512 instead of 8,192."""
    weights = ", ".join(f"{weight:g}" for weight in _WEIGHTS)
    shown = f"weights {weights}, an expander with {_WIDTH} outputs in pre-training only"
    return Pretraining(VarianceInvarianceCovariance(_WEIGHTS), shown=shown, views=changed_views(settings), head=_expander)
