"""Inflation: chooses the layers of an image network that become temporal, and builds the video network."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import is_opaque
from dlcli.core.graph.trace import CONVOLUTIONS, POOLINGS, SAMPLE, Op, Trace, record_trace
from dlcli.core.inflate import RULES
from dlcli.core.inflate.rule import TracedNetwork
from dlcli.core.inflate.video_net import VideoNet
from dlcli.core.layers.temporal import FrameCount, TemporalConv
from dlcli.core.surgery.base import deep_copy, display_name, replace_modules
from dlcli.support.errors import InputError

_BEFORE_HEAD = frozenset({"dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"})
_FLAT = (nn.Conv1d, nn.ConvTranspose1d)
_FRAMES_HINT = "to train on features of frames: `model=frame-mlp:NAME`"
_ATTENTION_HINT = f"no rule lets attention look along time, and i3d would inflate its patch embedding only; {_FRAMES_HINT}"
_EMBEDDING_HINT = f"its only convolution is the patch embedding, and i3d would inflate that alone; {_FRAMES_HINT}"
_DEEP = (nn.Conv3d, nn.ConvTranspose3d, TemporalConv, VideoNet)


@dataclass(frozen=True)
class Inflation:
    """How to inflate: by which `rule`, and of besnet `which` layers (conv1, both or all); `taps` along time (None: the rule's).

    `ends` is one of `temporal.ENDS`; `dilations` (None: the rule's) are drawn in training and averaged in evaluation, or by
    `fused` made one wider kernel each.
    """

    rule: str = "besnet"
    which: str = "both"
    taps: int | None = None
    ends: str = "replicate"
    dilations: tuple[int, ...] | None = None
    fused: bool = False


@dataclass(frozen=True)
class TemporalLayer:
    """A layer that became temporal: its path and the shapes of its weight before and after."""

    path: str
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class InflatedNetwork:
    """The network for video, its temporal layers in the order in which they run, and the dilations that these have."""

    model: VideoNet
    layers: tuple[TemporalLayer, ...]
    dilations: tuple[int, ...]


@torch.no_grad()
def inflate(model: nn.Module, sample: Tensor, how: Inflation) -> InflatedNetwork:
    """A network for video made of `model`, which is left as it is; `sample` (1, c, h, w) is an image that it takes.

    Type, device and mode are those of `model`. Raises InputError for a network that is not one of 2-D convolutions, or has
    none that the rule inflates, naming the layer that is in the way, and what `record_trace` raises.
    """
    check_2d(model)
    rule, inner = RULES.module(how.rule), deep_copy(model)
    trace = record_trace(inner, sample)
    chosen = rule.choose_layers(TracedNetwork(inner, trace), how.which)
    if not chosen:
        alone = len(trace.ops_named(CONVOLUTIONS)) == 1
        hint = _ATTENTION_HINT if _attends(trace) else _EMBEDDING_HINT if alone else "try another `rule`"
        raise InputError(f"the network has no convolution that {how.rule} inflates", hint=hint)
    frame_count, made, dilations = FrameCount(), {}, how.dilations or rule.DILATIONS
    for path in chosen:
        old = _plain(path, inner.get_submodule(path))
        weight = rule.inflate_weight(old.weight.detach(), how.taps or rule.TAPS or max(old.kernel_size))
        new = TemporalConv(old, weight, frame_count, ends=how.ends, dilations=dilations)
        made[old] = new.fuse() if how.fused else new
    layers = [
        TemporalLayer(path, *(tuple(one.weight.shape) for one in pair)) for path, pair in zip(chosen, made.items(), strict=True)
    ]
    replace_modules(inner, (nn.Conv2d,), lambda layer: made.get(layer, layer))
    return InflatedNetwork(
        VideoNet(inner, frame_count, find_head(inner, trace)), tuple(layers), (1,) if how.fused else dilations
    )


def rebuild(model: nn.Module, taps: Mapping[str, int], head: str, *, ends: str, dilations: tuple[int, ...]) -> VideoNet:
    """Give an image network the structure of its inflated form, in place, with zeros for weights, to load a state dict into.

    Args:
        model: The image network.
        taps: Number of frames that each temporal layer reads, by its path.
        head: Path of the module before which time ends, "" for the end of the network.
        ends: What is read before the first frame and after the last.
        dilations: Distances between the frames that are read.

    Returns:
        The video network.

    Raises:
        InputError: If the network has no such layers.
    """
    frame_count, made = FrameCount(), {}
    for path, count in taps.items():
        try:
            old = _plain(path, model.get_submodule(path))
        except AttributeError:
            raise InputError(f"the network has no layer {path}") from None
        wide = old.weight.new_zeros(*old.weight.shape[:2], count, *old.weight.shape[2:])
        made[old] = TemporalConv(old, wide, frame_count, ends=ends, dilations=dilations)
    replace_modules(model, (nn.Conv2d,), lambda layer: made.get(layer, layer))
    try:
        return VideoNet(model, frame_count, head)
    except AttributeError:
        raise InputError(f"the network has no layer {head}") from None


def find_head(model: nn.Module, trace: Trace) -> str:
    """The path of the module before which time ends, "" for the end of the network.

    It is the first fully connected layer: a module that is called once, that no path bypasses, and that no convolution and no
    pooling follows; or the dropout before it.
    """
    # Frames are averaged before this layer. It must be the one door to the logits: averaging before a layer that something
    # bypasses, or that runs twice, would mix averaged and unaveraged features. Averaging before the dropout that precedes
    # it, not after, lets all frames share one mask, as the image does.
    spatial = trace.ops_named(CONVOLUTIONS | POOLINGS)
    for op in trace.ops_named(frozenset({"linear"})):
        alone = not any(other.descends_from(op.node) for other in spatial) and _is_passed_by_all(trace, op)
        if alone and isinstance(model.get_submodule(op.layer), nn.Linear) and _is_called_once(trace, op):
            return _before_dropout(model, trace, op).layer
    return ""


def _is_passed_by_all(trace: Trace, op: Op) -> bool:
    return all(parent >= op.node for other in trace.ops[op.node :] for parent in other.parents)


def _is_called_once(trace: Trace, op: Op) -> bool:
    return sum(other.layer == op.layer for other in trace.ops) == 1


def _before_dropout(model: nn.Module, trace: Trace, op: Op) -> Op:
    while len(op.parents) == 1 and op.parents[0] != SAMPLE:
        before = trace.ops[op.parents[0] - 1]
        is_module = before.name in _BEFORE_HEAD and isinstance(model.get_submodule(before.layer), nn.modules.dropout._DropoutNd)
        if not (is_module and _is_called_once(trace, before) and len(trace.consumers(before.node)) == 1):
            break
        op = before
    return op


def check_2d(model: nn.Module) -> None:
    """Raise InputError, saying what it is instead, unless `model` has 2-D convolutions and can be changed."""
    kinds = list(model.modules())
    if isinstance(model, nn.Conv2d):
        raise InputError("the network is a convolution and nothing else", hint="give one that ends in logits")
    if is_opaque(model):
        raise InputError("the network is a program, which cannot be changed", hint="give the code that it was made of")
    if any(hasattr(module, "_orig_mod") for module in kinds):  # as its wrapper calls what it has inside
        raise InputError("the network is compiled by torch.compile", hint="give the network itself, as it was before")
    if any(isinstance(module, _DEEP) for module in kinds):
        raise InputError("the network is 3-D already", hint="give a network for images")
    if not any(isinstance(module, nn.Conv2d) for module in kinds):
        flat = any(isinstance(module, _FLAT) for module in kinds)
        message = "the network is 1-D: its convolutions are Conv1d" if flat else "the network has no convolution (Conv2d)"
        raise InputError(message, hint="give a network for images that has some")


def _attends(trace: Trace) -> bool:
    """Whether two tensors that both come of the image are multiplied as matrices."""
    products = trace.ops_named(frozenset({"matmul", "__matmul__", "bmm", "einsum"}))
    fused = trace.ops_named(frozenset({"scaled_dot_product_attention", "multi_head_attention_forward"}))
    return bool(fused) or any(sum(node is not None for node in op.operands) > 1 for op in products)


def _plain(path: str, layer: nn.Module) -> nn.Conv2d:
    """`layer`, once it is seen to be a Conv2d and nothing more."""
    if type(layer) is not nn.Conv2d:
        # Its own forward may compute the weight or pad as it runs, which holds for every rule.
        hint = f"choose a network of plain convolutions (nn.Conv2d); {_FRAMES_HINT}"
        raise InputError(f"{display_name(path)} is a {type(layer).__name__}, which cannot be inflated", hint=hint)
    if more := {name for name, _ in layer.named_parameters()} - {"weight", "bias"}:
        hint = "take the reparametrization (a weight norm?) off first"
        raise InputError(f"{display_name(path)} makes its weight of others ({', '.join(sorted(more))})", hint=hint)
    return layer
