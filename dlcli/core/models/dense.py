"""Classifiers as networks for masks: cut at their last map, with a 1x1 convolution in place of pooling and head."""

import hashlib
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import call_model, in_mode
from dlcli.core.compute.rng import preserved
from dlcli.core.graph.output_ops import MarkedEnd, leading_to_output
from dlcli.core.graph.trace import CONVOLUTIONS, POOLINGS, RELUS, WEIGHTED, Op, Trace, record_trace
from dlcli.core.layers.dense_network import DenseNetwork, UpsampledNetwork
from dlcli.core.layers.normalise import Normalised
from dlcli.core.models.base import Architecture
from dlcli.support.errors import InputError

_REDUCING = POOLINGS | {"mean", "amax"}
_INNER = "inner"
_BATCH = 8
"""Pictures per step at most: each is as many examples as it has pixels, whose maps are all kept."""
_HINT = "choose a convolutional `model`, or let your own network return logits (n, classes, height, width)"


def dense_architecture(arch: Architecture, channels: int, size: tuple[int, int], classes: int) -> Architecture:
    """The architecture whose network has logits for each pixel.

    Args:
        arch: A classifier, or a network that has a map of logits already.
        channels: Channels of the images.
        size: Height and width of the images in pixels.
        classes: Number of classes.

    Returns:
        The architecture; building it raises InputError for a network without a map.
    """
    digest = hashlib.sha256(f"{arch.source_sha256} dense {classes}".encode()).hexdigest()
    recipe = replace(arch.recipe, batch_size=min(arch.recipe.batch_size, _BATCH))
    build = partial(_built, arch, (channels, *size), classes)
    return replace(arch, build=build, recipe=recipe, source_sha256=digest)


def _built(arch: Architecture, shape: tuple[int, int, int], classes: int) -> nn.Module:
    return dense_network(arch.build(), torch.zeros(1, *shape), classes, arch.name)


def dense_network(model: nn.Module, sample: Tensor, classes: int, name: str) -> nn.Module:
    """A network with logits for each pixel; the 1x1 convolution draws its weights from torch's global generator.

    Args:
        model: A classifier, which is changed, or a network with a map of logits.
        sample: An example of its input, (1, c, h, w).
        classes: Number of classes.
        name: Name of the network, for messages.

    Raises:
        InputError: If it has no map at its end.
    """
    if isinstance(model, Normalised):
        return Normalised(dense_network(model.inner, sample, classes, name), model.how)
    with preserved(), in_mode(model), torch.no_grad():
        found = call_model(model, sample)
    if isinstance(found, Tensor) and found.dim() == 4:
        return model if found.shape[-2:] == sample.shape[-2:] else UpsampledNetwork(model)
    trace = record_trace(MarkedEnd(model), sample)
    cut = _last_map(trace, name)
    place, before, call, relu = _place(trace, cut, model, name)
    removed = _emptied(model, trace, cut)
    channels = trace.shape[1] if (op := trace.op(cut)) is None else op.shape[1]
    head = nn.Conv2d(channels, classes, 1)
    return DenseNetwork(model, head, place=place, before=before, call=call, relu=relu, removed=removed)


def _last_map(trace: Trace, name: str) -> int:
    """The node of the last map: what the pooling after the last convolution reads, or what is flattened.

    A convolution that is itself the last layer with weights is the head, as that of SqueezeNet, and so is not part of the map.
    """
    path = leading_to_output(trace)
    convolutions = [op for op in path if op.name in CONVOLUTIONS and len(op.shape) == 4]
    if not convolutions:
        raise InputError(f"{name}: has no convolution, and so no map of features", hint=_HINT)
    last = convolutions[-1]
    if last.node == max(op.node for op in path if op.name in WEIGHTED):
        if last.operands[0] is None:
            raise InputError(f"{name}: has no map before its last convolution", hint=_HINT)
        return last.operands[0]
    after = [op for op in path if op.node > last.node and op.descends_from(last.node)]
    for op in after:
        reads = [parent for parent in op.parents if _is_map(trace, parent)]
        if reads and (len(op.shape) != 4 or (op.name in _REDUCING and _is_global(op))):
            return reads[0]
    raise InputError(f"{name}: has no map of features at its end", hint=_HINT)


def _is_map(trace: Trace, node: int) -> bool:
    op = trace.op(node)
    return op is not None and len(op.shape) == 4


def _is_global(op: Op) -> bool:
    """Whether a pooling is the last one: of any output size if adaptive, as that of VGG, else to a single position."""
    return op.name.startswith("adaptive") or op.shape[-2:] == (1, 1)


def _place(trace: Trace, cut: int, model: nn.Module, name: str) -> tuple[str, bool, int, bool]:
    """Where the map is: the path of a module, whether it is its input, which call of it, and whether a ReLU follows."""
    consumers = [op for op in trace.consumers(cut) if op.layer.startswith(f"{_INNER}.")]
    for op in consumers:
        module = model.get_submodule(_path(op.layer))
        if not list(module.children()) and op.operands[:1] == (cut,) and _is_first_of_call(trace, op):
            return _path(op.layer), True, _call(trace, op), False
    made, relu = trace.op(cut), False
    while made is not None:
        if made.layer.startswith(f"{_INNER}.") and not list(model.get_submodule(_path(made.layer)).children()):
            return _path(made.layer), False, _call(trace, made), relu
        if made.name not in RELUS or made.operands[0] is None:
            break
        made, relu = trace.op(made.operands[0]), True
    raise InputError(f"{name}: its last map is computed by code of no module", hint=_HINT)


def _is_first_of_call(trace: Trace, op: Op) -> bool:
    """Whether no operation of the same call of a module came before, so that what it reads is the input of the module."""
    return not any(other.layer == op.layer and other.calls == op.calls for other in trace.ops[: op.node - 1])


def _path(layer: str) -> str:
    return layer.removeprefix(f"{_INNER}.")


def _call(trace: Trace, op: Op) -> int:
    """How many calls of the same module came before."""
    path = op.layer
    if path not in {name for name, _ in op.calls}:  # an activation, whose calls are not listed: one operation each
        return sum(other.layer == path for other in trace.ops[: op.node - 1])
    number = next(number for name, number in op.calls if name == path)
    return len({other for one in trace.ops for name, other in one.calls if name == path and other < number})


def _emptied(model: nn.Module, trace: Trace, cut: int) -> tuple[str, ...]:
    """Empty the modules with weights that ran only after the map; returns their paths."""
    earlier = {op.layer for op in trace.ops if op.node <= cut}
    removed = []
    for path in dict.fromkeys(op.layer for op in trace.ops if op.node > cut and op.layer not in earlier):
        inner = _path(path)
        if path.startswith(f"{_INNER}.") and list(model.get_submodule(inner).parameters()):
            parent, _, last = inner.rpartition(".")
            setattr(model.get_submodule(parent), last, nn.Identity())
            removed.append(inner)
    return tuple(removed)
