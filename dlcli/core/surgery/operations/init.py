"""Redraw the weights of all convolutions and fully connected layers; biases become 0, all else stays.

lecun: N(0, 1/fan_in) (LeCun et al. 1998). he: N(0, 2/fan_in) (He et al. 2015, arXiv 1502.01852, equation 10).
orthogonal: rows or columns orthonormal, times sqrt 2 for the ReLU (Saxe et al. 2014, arXiv 1312.6120).
"""

from math import sqrt

from torch import Tensor, nn

from dlcli.core.surgery.base import SurgeryResult, deep_copy, fan_in, lecun_normal, redraw_weights
from dlcli.support.errors import UsageError
from dlcli.support.plural import count


def he_normal(layer: nn.Module, weight: Tensor) -> None:
    """Fill with N(0, 2/fan_in)."""
    weight.normal_(0.0, sqrt(2.0 / fan_in(layer)))


def orthogonal(layer: nn.Module, weight: Tensor) -> None:
    """Fill with an orthogonal matrix (units, the rest) times sqrt 2."""
    nn.init.orthogonal_(weight, gain=sqrt(2.0))


_DRAWS = {"lecun": lecun_normal, "he": he_normal, "orthogonal": orthogonal}

ARGUMENT = "|".join(_DRAWS)


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is one of the three."""
    if argument not in _DRAWS:
        raise UsageError(f"'{argument}' is not an initialisation", hint=f"there are: {', '.join(_DRAWS)}")


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with fresh weights; raises InputError for weights in other kinds of layers."""
    check(argument)
    done = deep_copy(model)
    layers = redraw_weights(done, _DRAWS[argument])
    return SurgeryResult(done, f"{count(layers, 'layer')} redrawn")
