"""`gumbel-softmax`: the generative model M2, the class of an unlabelled image a draw of shares of all classes.

Jang et al. 2017 (arXiv 1611.01144): shares of the Gumbel-softmax distribution, whose gradient reaches the classifier. A step
costs one class instead of all.
"""

from dataclasses import dataclass

from dlcli.core.semi_supervised.base import SemiSettings
from dlcli.core.semi_supervised.m2 import SampledM2, alpha_of


@dataclass(frozen=True)
class GumbelSoftmax(SampledM2):
    """See the module."""


def method(settings: SemiSettings) -> GumbelSoftmax:
    """M2 with a draw of shares of classes."""
    return GumbelSoftmax(alpha_of(settings), settings.temperature)
