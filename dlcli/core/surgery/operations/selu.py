"""A self-normalising network (Klambauer et al. 2017, arXiv 1706.02515): SELUs, LeCun-normal weights, alpha dropout.

Batch normalisations are taken out, for the activation does their work; their keys leave the state dict. Weights are redrawn
from N(0, 1/fan_in), so the surgery belongs before training.
"""

from torch import Tensor, nn

from dlcli.core.layers.selu import AlphaDropout, FixedPoint, ScaledELU, solve_fixed_point
from dlcli.core.surgery.activations import ReplaceActivation, kinds_of, replace_activations
from dlcli.core.surgery.base import (
    SurgeryResult,
    deep_copy,
    display_name,
    lecun_normal,
    redraw_weights,
    replace_modules,
    traces,
)
from dlcli.core.surgery.batchnorms import remove_batchnorms
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count

ARGUMENT = "MEAN,VARIANCE that the activations keep (default 0,1)"

_BY_VALUE = (nn.Dropout, nn.AlphaDropout)
_BY_MAP = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout)
_FUNCTIONS = frozenset({"dropout", "dropout1d", "dropout2d", "dropout3d"})


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is a mean and a variance that some scaled ELU keeps, or empty."""
    _point(argument)


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with SELUs for pointwise activations, and all that belongs to them."""
    point = _point(argument)
    done = deep_copy(model)
    _refuse_functional_dropout(done, sample)
    activation = ScaledELU(point.alpha, point.lam)
    calls = replace_activations(done, sample, lambda _: ScaledELU(point.alpha, point.lam), ReplaceActivation(activation))
    norms = remove_batchnorms(done, sample)
    dropouts = [
        *replace_modules(done, _BY_VALUE, lambda module: AlphaDropout(module.p, point)),
        *replace_modules(done, _BY_MAP, lambda module: AlphaDropout(module.p, point, whole_maps=True)),
    ]
    layers = redraw_weights(done, lecun_normal)
    parts = (
        f"{kinds_of(calls)} replaced by SELUs for mean {point.mean:g} and variance {point.variance:g}",
        f"{count(len(norms), 'batch normalisation')} taken out",
        f"{count(len(dropouts), 'dropout')} fitted",
        f"{count(layers, 'layer')} redrawn",
    )
    return SurgeryResult(done, ", ".join(parts))


def _point(argument: str) -> FixedPoint:
    parts = argument.split(",") if argument else ["0", "1"]
    try:
        mean, variance = (float(part) for part in parts)
    except ValueError:
        raise UsageError(f"'{argument}' is not MEAN,VARIANCE", hint="`surgery=selu:0,1`") from None
    return solve_fixed_point(mean, variance)


def _refuse_functional_dropout(model: nn.Module, sample: Tensor) -> None:
    for trace in traces(model, sample):
        for op in trace.ops_named(_FUNCTIONS):
            if not issubclass(trace.classes[op.layer], (*_BY_VALUE, *_BY_MAP)):
                raise InputError(
                    f"{display_name(op.layer)} drops by a function call, which cannot be replaced",
                    hint="use nn.Dropout in its code; `surgery=elu` leaves dropout alone",
                )
