"""`marginal`: the generative model M2, its bound summed over all classes of an unlabelled image (Kingma et al. 2014, eq. 7)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.semi_supervised.base import SemiSettings
from dlcli.core.semi_supervised.m2 import M2, M2Networks, alpha_of


@dataclass(frozen=True)
class MarginalM2(M2):
    """See the module."""

    def expected_bound(self, networks: M2Networks, x: Tensor, log_q: Tensor, done: int) -> Tensor:
        """The sum over all classes, see `M2`."""
        n, classes = log_q.shape
        seen = networks.of_image(x).repeat_interleave(classes, 0)  # what a class does not change is computed once
        y = torch.eye(classes, dtype=x.dtype, device=x.device).repeat(n, 1)
        noise = x.new_empty(n * classes, networks.latent).normal_()
        each = networks.bound(x.repeat_interleave(classes, 0), seen, y, noise).view(n, classes)
        return (log_q.exp() * each).sum(1)


def method(settings: SemiSettings) -> MarginalM2:
    """M2 with the sum over classes."""
    return MarginalM2(alpha_of(settings))
