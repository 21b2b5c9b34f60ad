"""Take batch normalisations out of a network."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlcli.core.graph.trace import record_trace
from dlcli.core.surgery.base import deep_copy, display_name, replace_modules
from dlcli.support.errors import InputError

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_SIDES = {nn.BatchNorm1d: 0, nn.BatchNorm2d: 2, nn.BatchNorm3d: 3}
"""How many axes follow the channels."""


def remove_batchnorms(model: nn.Module, sample: Tensor) -> list[str]:
    """Remove each batch normalisation from `model`, in place; returns their paths.

    Of a fused one, such as timm's with an activation in it, the rest stays. Raises InputError for one that is called as a
    function, and for a subclass that does more than to normalise and call its modules.
    """
    if isinstance(model, _BatchNorm):
        raise InputError("the network is a batch normalisation and nothing else")
    trace = record_trace(model, sample)
    for op in trace.ops:
        if op.name == "batch_norm" and not issubclass(trace.classes[op.layer], _BatchNorm):
            raise InputError(
                f"{display_name(op.layer)} normalises by a function call, which cannot be removed", hint="use nn.BatchNorm2d"
            )
    return replace_modules(model, (_BatchNorm,), _without)


def _without(module: _BatchNorm) -> nn.Module:
    """What stays of a batch normalisation: nothing, or the modules of a fused one in their order."""
    if type(module) in _PLAIN:
        return nn.Identity()
    rest = nn.Sequential(OrderedDict(module.named_children())).eval()
    neutral, x = _neutral(module), _example(module)
    with torch.no_grad():
        if neutral is None or not torch.allclose(neutral(x), rest(x), rtol=1e-4, atol=1e-5):
            message = f"{type(module).__name__} does more than to normalise and to call its modules, so it cannot be removed"
            raise InputError(message, hint="use nn.BatchNorm2d, and the rest as layers of their own")
    return rest


def _neutral(module: _BatchNorm) -> nn.Module | None:
    """A copy that normalises nothing; None if it has no statistics that could be set so."""
    copy: Any = deep_copy(module).eval()
    if copy.running_mean is None or copy.running_var is None:
        return None
    copy.eps = 0.0
    with torch.no_grad():
        copy.running_mean.zero_()
        copy.running_var.fill_(1)
        if copy.affine:
            copy.weight.fill_(1)
            copy.bias.zero_()
    found: nn.Module = copy
    return found


def _example(module: _BatchNorm) -> Tensor:
    sides = next((count for kind, count in _SIDES.items() if isinstance(module, kind)), 2)
    like = next(module.buffers(), torch.empty(0))
    shape = (2, module.num_features, *sides * (3,))
    values = torch.linspace(-3, 3, 2 * module.num_features * 3**sides, device=like.device)
    return values.reshape(shape).to(like.dtype if like.is_floating_point() else torch.float32)
