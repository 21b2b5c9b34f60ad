"""Weights under which a network of ReLUs starts as a linear map (Balduzzi et al. 2017, arXiv 1702.08591, section 4).

The paper doubles the units by concatenated ReLUs and mirrors the next layer's weights. The same is done here without
changing a shape: the second half of each hidden layer's units is the negative of the first, so that relu(h) and relu(-h)
stand side by side, and each layer has the weights [[M, -M], [-M, M]], of which [M, -M] gives M h back. M is orthogonal.
Maximum pooling and residual sums around ReLUs are not linear under any weights, and are refused.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import in_mode
from dlcli.core.compute.rng import preserved
from dlcli.core.graph.trace import RELUS, WEIGHTED, Op, Trace, record_trace
from dlcli.core.layers.mirrored import mirrored
from dlcli.core.surgery.base import SurgeryResult, deep_copy, display_name
from dlcli.support.errors import InputError
from dlcli.support.plural import count

ARGUMENT = ""

_TOLERANCE = 1e-3


def check(argument: str) -> None:
    """There is nothing to check."""


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with mirrored weights; raises InputError if no weights can make the network look linear."""
    done = deep_copy(model)
    trace = record_trace(done, sample)
    layers = [op for op in trace.ops if op.name in WEIGHTED]
    if not trace.ops_named(RELUS) or not layers:
        raise InputError("the network has no ReLU between layers, so there is nothing to mirror")
    for op in layers:
        layer = _checked(done, op)
        _mirror(op, layer, left=_relu_before(trace, op), right=_relu_after(trace, op))
    _check_linear(done, sample)
    return SurgeryResult(done, f"{count(len(layers), 'layer')} mirrored")


def _checked(model: nn.Module, op: Op) -> Any:
    layer = model.get_submodule(op.layer)
    if not isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) or getattr(layer, "groups", 1) != 1:
        what = f"{display_name(op.layer)} ({op.name}) is not a plain convolution or fully connected layer"
        raise InputError(f"{what}, so it cannot be mirrored")
    return layer


def _relu_before(trace: Trace, op: Op) -> bool:
    """Whether what reaches a layer since the layer before passed a ReLU."""
    (node,) = op.parents[:1]
    while (before := trace.op(node)) is not None and before.name not in WEIGHTED:
        if before.name in RELUS:
            return True
        node = before.parents[0]
    return False


def _relu_after(trace: Trace, op: Op) -> bool:
    return any(later.name in WEIGHTED and _feeds(trace, op.node, later) and _relu_before(trace, later) for later in trace.ops)


def _feeds(trace: Trace, node: int, later: Op) -> bool:
    """Whether `later` is a next layer after `node`."""
    at: Op | None = later
    while at is not None:
        at = trace.op(at.parents[0])
        if at is not None and at.name in WEIGHTED:
            return at.node == node
    return False


def _mirror(op: Op, layer: Any, *, left: bool, right: bool) -> None:
    """Fill the weights (out, in, ...): `left` if the inputs are mirrored pairs, `right` if the outputs must be."""
    out, into = layer.weight.shape[:2]
    for what, units, halved in (("inputs", into, left), ("outputs", out, right)):
        if halved and units % 2:
            raise InputError(
                f"{display_name(op.layer)} has {units} {what}, which cannot be mirrored", hint="an even number can"
            )
    with torch.no_grad():
        layer.weight.copy_(mirrored(layer.weight.shape, inputs=left, outputs=right))
        if layer.bias is not None:
            layer.bias.zero_()


def _check_linear(model: nn.Module, sample: Tensor) -> None:
    """f(x + y) - f(0) = f(x) - f(0) + f(y) - f(0), at points drawn at random."""
    like = next(model.parameters())
    draws = torch.Generator().manual_seed(0)
    with preserved(), torch.no_grad(), in_mode(model):
        x, y = (torch.randn(sample.shape, generator=draws).to(like) for _ in range(2))
        zero, one, other, both = (model(part) for part in (x * 0, x, y, x + y))
    off = float((both - one - other + zero).abs().max())
    if not off <= _TOLERANCE * float((both - zero).abs().max()):
        hint = "looks-linear fits chains of convolutions, fully connected layers, ReLUs and average pooling"
        raise InputError("mirrored weights do not make this network linear: something in it is not", hint=hint)
