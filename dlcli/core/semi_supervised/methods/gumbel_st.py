"""`gumbel-st`: the generative model M2, the class of an unlabelled image drawn, with the gradient of a draw of shares.

Jang et al. 2017 (arXiv 1611.01144), section 2.2: the straight-through Gumbel-softmax estimator.
"""

from dataclasses import dataclass
from typing import ClassVar

from dlcli.core.semi_supervised.base import SemiSettings
from dlcli.core.semi_supervised.m2 import SampledM2, alpha_of


@dataclass(frozen=True)
class GumbelStraightThrough(SampledM2):
    """See the module."""

    hard: ClassVar[bool] = True


def method(settings: SemiSettings) -> GumbelStraightThrough:
    """M2 with a draw of one class."""
    return GumbelStraightThrough(alpha_of(settings), settings.temperature)
