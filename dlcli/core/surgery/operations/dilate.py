"""Strides into dilations, so that the feature maps keep their resolution and no weight changes.

Where the product of strides would exceed the output stride, a layer moves by 1 instead, and all layers after it are dilated
by the stride that was removed (Yu & Koltun 2016, arXiv 1511.07122;
Chen et al. 2014, arXiv 1412.7062, "atrous"). At the positions
that the network had before, its maps have the values that they had.
"""

from dataclasses import dataclass
from math import ceil, inf
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, pad

from dlcli.core.graph.trace import POOLINGS, SAMPLE, Op, Trace, record_trace
from dlcli.core.layers.dense_network import DenseNetwork, dense_part
from dlcli.core.surgery.base import SurgeryResult, deep_copy, display_name, parse_whole
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count

ARGUMENT = "OUTPUT STRIDE, the most by which maps may be smaller than the image (default 8)"

Pair = tuple[int, int]

_LAYERS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
_STRIDING = frozenset({"conv2d", "max_pool2d", "max_pool2d_with_indices", "avg_pool2d"})
_RESIZING = frozenset({"interpolate", "pixel_shuffle", "pixel_unshuffle", "conv_transpose2d", "unfold", "fold", "grid_sample"})
_GLOBAL = frozenset({"adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "amax"})
_RESHAPING = frozenset({"flatten", "view", "reshape"})
_CONVOLUTIONAL = "dilate fits convolutional networks, which have strides in convolutions and poolings"


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is a whole number from 1 up, or empty."""
    parse_whole(argument, low=1, default=8)


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy whose maps are at most the output stride smaller than the image.

    Raises InputError, naming it, for a layer whose stride cannot be made a dilation, UsageError if there is nothing to change.
    """
    most = parse_whole(argument, low=1, default=8)
    done = deep_copy(model)
    plans, kept = _plans(done, record_trace(done, sample), most)
    dense = [path for path, plan in plans.items() if plan.is_dense]
    if not dense:
        hint = f"choose an output stride below {kept}" if kept > 1 else "choose another network"
        raise UsageError(f"no stride exceeds an output stride of {most}, so there is nothing to dilate", hint=hint)
    for path, plan in plans.items():
        _carry_out(done, path, plan, whole=dense_part(done) is not None)
    _check_runs(done, sample, most)
    dilated = sum(plan.rate != (1, 1) and plan.kernel != (1, 1) for plan in plans.values())
    reached = "" if kept == most else f"; maps are {kept} times smaller than the image, not {most}"
    return SurgeryResult(done, f"{count(len(dense), 'stride')} taken out, {count(dilated, 'layer')} dilated{reached}")


@dataclass(frozen=True)
class _Flow:
    """How far apart, in each direction, image pixels and kept positions are between neighbours of a map.

    `lost` where that is not known, since positions were put into another order.
    """

    stride: Pair = (1, 1)
    rate: Pair = (1, 1)
    lost: bool = False


@dataclass(frozen=True)
class _Plan:
    """What a layer of such a `kernel` becomes: its dilation times `rate`, and its stride `stride`."""

    kernel: Pair
    rate: Pair
    stride: Pair
    is_dense: bool

    @property
    def is_change(self) -> bool:
        return self.is_dense or self.rate != (1, 1)


def _plans(model: nn.Module, trace: Trace, most: int) -> tuple[dict[str, _Plan], int]:
    """What layers become that change, by path, and how many times smaller than the image the smallest map is then.

    Args:
        model: The network.
        trace: A forward pass of it.
        most: The output stride.
    """
    flows = {SAMPLE: _Flow()}
    plans: dict[str, _Plan] = {}
    for op in trace.ops:
        flow = _joined(flows, op)
        if op.name in _STRIDING:
            _check_known(model, op, flow, any(plan.is_dense for plan in plans.values()))
            plan, flow = _planned(model, op, flow, most)
            if plans.setdefault(op.layer, plan) != plan:
                what = f"{display_name(op.layer)} is used at two resolutions, which need two dilations"
                raise InputError(what, hint="choose another network, in which each layer is used once")
        else:
            _check_merging(trace, op)
            if flow.rate != (1, 1) and not _is_upsampling(trace, op):
                _check_dense(op)
        flows[op.node] = _after(trace, op, flow)
    kept = max(s // r for flow in flows.values() for s, r in zip(flow.stride, flow.rate, strict=True))
    return {path: plan for path, plan in plans.items() if plan.is_change}, kept


def _joined(flows: dict[int, _Flow], op: Op) -> _Flow:
    spread = [flows[parent] for parent in op.parents]
    return max(spread, key=lambda flow: (not flow.lost, flow.stride))


def _after(trace: Trace, op: Op, flow: _Flow) -> _Flow:
    """The flow of what `op` puts out, if `flow` is that of its inputs."""
    if op.name in _GLOBAL or _is_upsampling(trace, op):
        return _Flow()
    if len(op.shape) == 4 and op.name not in _RESHAPING:
        return flow
    maps = {before[-2:] for before in _shapes_before(trace, op) if len(before) >= 4}
    return flow if op.shape[-2:] in maps else _Flow(lost=True)  # a shuffle of channels leaves the map at the end


def _is_upsampling(trace: Trace, op: Op) -> bool:
    """Whether it is the interpolation after the scores of a network for masks, which takes maps of any size."""
    return op.name == "interpolate" and issubclass(trace.classes[op.owner], DenseNetwork)


def _shapes_before(trace: Trace, op: Op) -> list[tuple[int, ...]]:
    before = (trace.op(parent) for parent in op.parents)
    return [trace.shape if other is None else other.shape for other in before]


def _check_known(model: nn.Module, op: Op, flow: _Flow, dense: bool) -> None:
    """Refuse a layer that strides on a map of unknown resolution, or that would stand on a dense one."""
    layer: Any = model.get_submodule(op.layer)
    steps = _pair(getattr(layer, "stride", None) or 1)
    if flow.lost and (steps != (1, 1) or dense):
        what = f"{display_name(op.layer)} stands behind attention over windows or another change of order"
        raise InputError(f"{what}, for which dilate has no rule", hint=_CONVOLUTIONAL)


def _check_merging(trace: Trace, op: Op) -> None:
    """Refuse slices of rows and columns of a map with channels last."""
    for before in _shapes_before(trace, op):
        if op.name == "__getitem__" and len(before) == len(op.shape) == 4 and before[3] == op.shape[3]:
            if op.shape[1] < before[1] and op.shape[2] < before[2]:
                what = f"{display_name(op.layer)} merges patches by slicing"
                raise InputError(f"{what}, for which dilate has no rule", hint=_CONVOLUTIONAL)


def _planned(model: nn.Module, op: Op, flow: _Flow, most: int) -> tuple[_Plan, _Flow]:
    layer = model.get_submodule(op.layer)
    if not isinstance(layer, _LAYERS):
        raise InputError(
            f"{display_name(op.layer)} calls {op.name} as a function, whose stride is out of reach", hint="use the module"
        )
    steps = _pair(layer.stride if layer.stride is not None else layer.kernel_size)
    stride = _times(flow.stride, steps)
    goes_over = tuple(whole > most and step > 1 for whole, step in zip(stride, steps, strict=True))
    left = tuple(1 if over else step for over, step in zip(goes_over, steps, strict=True))
    rate = tuple(r * step if over else r for r, step, over in zip(flow.rate, steps, goes_over, strict=True))
    plan = _Plan(_pair(layer.kernel_size), flow.rate, (left[0], left[1]), any(goes_over))
    if plan.is_change:
        _check_layer(op.layer, layer)
    return plan, _Flow(stride, (rate[0], rate[1]))


def _check_layer(path: str, layer: Any) -> None:
    """Refuse settings under which the values at the kept positions would change."""
    if isinstance(layer, nn.Conv2d):
        uneven = layer.padding == "same" and any(size % 2 == 0 for size in layer.kernel_size)
        if uneven or (layer.padding_mode != "zeros" and layer.padding not in (0, (0, 0), "valid")):
            raise InputError(
                f"{display_name(path)} pads by '{'same' if uneven else layer.padding_mode}', which cannot be dilated"
            )
    elif isinstance(layer, nn.AvgPool2d) and layer.ceil_mode:
        raise InputError(f"{display_name(path)} averages with ceil_mode, which cannot be dilated")
    elif isinstance(layer, nn.AvgPool2d) and _pair(layer.padding) != (0, 0):
        raise InputError(f"{display_name(path)} averages over padding, which cannot be dilated")
    elif isinstance(layer, nn.MaxPool2d) and layer.return_indices:
        raise InputError(f"{display_name(path)} returns indices, which dilation would change")


def _check_dense(op: Op) -> None:
    if op.name in _RESIZING or (op.name in POOLINGS and op.name not in _GLOBAL):
        raise InputError(f"{display_name(op.layer)} calls {op.name} on a map that would be dense, which is not the same there")
    if op.name == "__getitem__" and len(op.shape) == 4:
        raise InputError(
            f"{display_name(op.layer)} picks positions out of a map that would be dense", hint="use nn.MaxPool2d(1, stride)"
        )


def _carry_out(model: nn.Module, path: str, plan: _Plan, *, whole: bool) -> None:
    """Change a layer; `whole` keeps the positions of poolings at the ends of a map, which lack a part of their window."""
    layer: Any = model.get_submodule(path)
    if not isinstance(layer, nn.Conv2d):
        parent, _, name = path.rpartition(".")
        beyond = (0, 0)
        if whole and _pair(layer.padding) == (0, 0):
            beyond = ((plan.kernel[0] - 1) * plan.rate[0], (plan.kernel[1] - 1) * plan.rate[1])
        pool: nn.Module = DilatedMean(plan.kernel, plan.stride, plan.rate, beyond)
        if isinstance(layer, nn.MaxPool2d):
            rate = _times(_pair(layer.dilation), plan.rate)
            padding = _times(_pair(layer.padding), plan.rate)
            if layer.ceil_mode and plan.is_dense:
                pool = CeiledMax(plan.kernel, rate, padding, removed=_pair(layer.stride), apart=plan.rate)
            else:  # with a stride of 1 there is nothing to round up
                pool = DilatedMax(plan.kernel, plan.stride, rate, padding, beyond)
        setattr(model.get_submodule(parent), name, pool.train(layer.training))
        return
    layer.dilation = _times(_pair(layer.dilation), plan.rate)
    layer.stride = plan.stride
    if layer.padding not in ("same", "valid"):
        layer.padding = _times(_pair(layer.padding), plan.rate)


class DilatedMax(nn.Module):
    """Maximum pooling of `kernel` positions that lie `rate` apart, with more padding than torch's own allows.

    `beyond` is added below and to the right.
    """

    def __init__(self, kernel: Pair, stride: Pair, rate: Pair, padding: Pair, beyond: Pair = (0, 0)) -> None:
        super().__init__()
        self.kernel, self.stride, self.rate, self.padding, self.beyond = kernel, stride, rate, padding, beyond

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c, h', w')."""
        tall, wide = self.padding
        x = pad(x, (wide, wide + self.beyond[1], tall, tall + self.beyond[0]), value=-inf)
        return max_pool2d(x, self.kernel, self.stride, dilation=self.rate)

    def extra_repr(self) -> str:
        """For print(model)."""
        return f"kernel={self.kernel}, stride={self.stride}, rate={self.rate}, padding={self.padding}"


class CeiledMax(nn.Module):
    """A maximum pooling with ceil_mode whose stride `removed` became a dilation: windows at its end may be cut off.

    It gives as many positions as lie between the first and the last that the pooling had, so that what follows pads where it
    did before. Positions of the map that the pooling saw lie `apart` from each other.
    """

    def __init__(self, kernel: Pair, rate: Pair, padding: Pair, *, removed: Pair, apart: Pair) -> None:
        super().__init__()
        self.kernel, self.rate, self.padding, self.removed, self.apart = kernel, rate, padding, removed, apart

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c, h', w')."""
        tall, wide = self.padding
        below, right = (self._after(axis, x.shape[2 + axis]) for axis in (0, 1))
        return max_pool2d(pad(x, (wide, right, tall, below), value=-inf), self.kernel, 1, dilation=self.rate)

    def _after(self, axis: int, side: int) -> int:
        """What is added at the end of an axis of this length, or below 0 cut off, for the last position to be the last."""
        apart, step = self.apart[axis], self.removed[axis]
        before, padding = (side - 1) // apart + 1, self.padding[axis] // apart
        reach = (self.kernel[axis] - 1) * self.rate[axis] // apart
        last = ceil((before + 2 * padding - reach - 1) / step)
        if last * step >= before + padding:  # torch drops a window that begins in the padding
            last -= 1
        return last * step * apart + reach * apart + 1 - side - self.padding[axis]

    def extra_repr(self) -> str:
        """For print(model)."""
        return f"kernel={self.kernel}, rate={self.rate}, padding={self.padding}, removed={self.removed}"


class DilatedMean(nn.Module):
    """Average pooling of `kernel` positions that lie `rate` apart, without padding.

    `beyond` of the last value is added below and to the right.
    """

    def __init__(self, kernel: Pair, stride: Pair, rate: Pair, beyond: Pair = (0, 0)) -> None:
        super().__init__()
        self.kernel, self.stride, self.rate, self.beyond = kernel, stride, rate, beyond

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c, h', w')."""
        if self.beyond != (0, 0):
            x = pad(x, (0, self.beyond[1], 0, self.beyond[0]), mode="replicate")
        if self.rate == (1, 1):
            return avg_pool2d(x, self.kernel, self.stride)
        channels, weight = x.shape[1], 1.0 / (self.kernel[0] * self.kernel[1])
        mean = x.new_full((channels, 1, *self.kernel), weight)
        return conv2d(x, mean, stride=self.stride, dilation=self.rate, groups=channels)

    def extra_repr(self) -> str:
        """For print(model)."""
        return f"kernel={self.kernel}, stride={self.stride}, rate={self.rate}"


def _check_runs(model: nn.Module, sample: Tensor, most: int) -> None:
    try:
        record_trace(model, sample)
    except InputError as error:
        hint = "dilate fits networks that end in a global pooling or in a map"
        raise InputError(f"at output stride {most} {error.message}", hint=hint) from error


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _times(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0], a[1] * b[1]
