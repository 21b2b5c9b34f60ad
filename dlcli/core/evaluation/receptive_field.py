"""What a unit can see: the theoretical receptive field, followed through any network while it runs, and the effective one.

The theoretical field is exact for convolutions, poolings, strided slices and padding, with dilation: each tensor knows
which stretch of the input its units may depend on (Araujo et al. 2019, Computing Receptive Fields, Distill, eq. 2), and where
branches meet, the stretch that holds those of all. What mixes all places (a global pooling, a flattening, a change of axes,
a resizing) has no bounded field, nor has what is computed from it. Norms are taken to leave places alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dlcli.core.compute.forward import call_model, differentiate
from dlcli.core.compute.precision import float32_precision
from dlcli.core.compute.rng import preserved

_EFFECTIVE_SHARE = 1 - 0.9545
"""A pixel counts if its gradient is at least this share of the largest: within two standard deviations of a Gaussian."""


@dataclass(frozen=True)
class Reach:
    """Along one axis: the unit at index i depends on the inputs from i * jump - left to i * jump + right."""

    jump: int = 1
    left: int = 0
    right: int = 0

    @property
    def size(self) -> int:
        """The receptive field in input pixels."""
        return self.left + self.right + 1

    def window(self, kernel: int, stride: int, padding: int, dilation: int) -> "Reach":
        """The reach of the outputs of a convolution or pooling along this axis.

        Args:
            kernel: Width of the window, in units.
            stride: Distance between windows.
            padding: Units added at each end.
            dilation: Distance between the units of a window.

        Returns:
            Their reach in input pixels.
        """
        span = (kernel - 1) * dilation
        return Reach(self.jump * stride, self.left + padding * self.jump, self.right + (span - padding) * self.jump)

    def shifted(self, start: int, step: int = 1) -> "Reach":
        """The reach of every `step`-th unit from `start` on; a negative `start` is padding."""
        return Reach(self.jump * step, self.left - start * self.jump, self.right + start * self.jump)


Field = tuple[Reach, ...]
"""One entry per spatial axis; empty if the field is unbounded."""


def merged(fields: Sequence[Field]) -> Field:
    """The smallest field that holds all of `fields`; unbounded if one of them is, or if they do not match."""
    if not all(fields) or len({len(field) for field in fields}) != 1:
        return ()
    axes = zip(*fields, strict=True)
    return tuple(Reach(max(r.jump for r in axis), max(r.left for r in axis), max(r.right for r in axis)) for axis in axes)


class FieldTracker(TorchFunctionMode):
    """Inside this context every tensor computed from `x` (n, c, ...) is tracked; `field_of` gives its field.

    `last` is the result of the last window (convolution or pooling), None before the first; `attentions` counts the products
    of two tensors that both come of `x`, which is what attention is.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        # The tensors are kept beside their fields, so that no other one can take an id while this one is looked up.
        self._known: dict[int, tuple[Tensor, Field]] = {id(x): (x, (Reach(),) * (x.dim() - 2))}
        self.last: Tensor | None = None
        self.field: Field = ()
        self.attentions = 0

    def field_of(self, tensor: Tensor) -> Field | None:
        """The field of `tensor`, None if it does not come of the input."""
        return self._known[id(tensor)][1] if id(tensor) in self._known else None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        inputs = [tensor for tensor in _tensors([args, kwargs]) if id(tensor) in self._known]
        # Before the call, which may change a tensor in place.
        before = [(self._known[id(tensor)][1], tuple(tensor.shape[2:])) for tensor in inputs]
        found = func(*args, **kwargs)
        if inputs:
            self.attentions += getattr(func, "__name__", "") in _PRODUCTS and _operands(args, kwargs, self._known) > 1
            self._follow(func, before, found, args, kwargs)
        return found

    def _follow(self, func: Callable[..., Any], before: list[Any], found: Any, args: Any, kwargs: Any) -> None:
        name = getattr(func, "__name__", "")
        rule = _RULES.get(name)
        for tensor in _tensors([found]):
            spatial = tuple(tensor.shape[2:])
            fields = [field for field, _ in before]
            if rule is not None:
                field = _ruled(rule, before[0][0], before[0][1], args, kwargs)
            else:
                # What leaves the places alone (an activation, a sum, a norm) keeps the fields of all that go into it.
                field = merged(fields) if any(shape == spatial for _, shape in before) else ()
            self._known[id(tensor)] = (tensor, field if len(field) == len(spatial) else ())
            if name in _WINDOWS:
                self.last, self.field = tensor, self._known[id(tensor)][1]


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _tensors(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)


def _operands(args: Any, kwargs: Any, known: Mapping[int, Any]) -> int:
    """How many of the tensors that a product is of are known; attention takes the same one as query, key and value."""
    return sum(id(tensor) in known for tensor in _tensors([args, kwargs]))


def _convolution(field: Field, shape: tuple[int, ...], args: Any, kwargs: Any) -> Field:
    stride, padding, dilation = (
        _given(args, kwargs, *one) for one in ((3, "stride", 1), (4, "padding", 0), (5, "dilation", 1))
    )
    return _window(field, _given(args, kwargs, 1, "weight", None).shape[2:], stride, padding, dilation)


def _max_pool(field: Field, shape: tuple[int, ...], args: Any, kwargs: Any) -> Field:
    return _pool(field, args, kwargs, _given(args, kwargs, 4, "dilation", 1))


def _avg_pool(field: Field, shape: tuple[int, ...], args: Any, kwargs: Any) -> Field:
    return _pool(field, args, kwargs, 1)


def _pool(field: Field, args: Any, kwargs: Any, dilation: Any) -> Field:
    kernel = _given(args, kwargs, 1, "kernel_size", None)
    return _window(
        field, kernel, _given(args, kwargs, 2, "stride", None) or kernel, _given(args, kwargs, 3, "padding", 0), dilation
    )


def _given(args: Any, kwargs: Any, place: int, name: str, default: Any) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)


def _ruled(rule: "_Rule", field: Field, shape: tuple[int, ...], args: Any, kwargs: Any) -> Field:
    """What `rule` says; unbounded where the call is not one that it knows, as on tensors with channels last."""
    try:
        return rule(field, shape, args, kwargs)
    except (ValueError, TypeError, LookupError):
        return ()


def _window(field: Field, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Field:
    kernels, strides, dilations = (_each(value, len(field)) for value in (kernel, stride, dilation))
    if padding == "same":
        paddings = [(k - 1) * d // 2 for k, d in zip(kernels, dilations, strict=True)]
    else:
        paddings = _each(0 if padding == "valid" else padding, len(field))
    windows = zip(field, kernels, strides, paddings, dilations, strict=True)
    return tuple(reach.window(k, s, p, d) for reach, k, s, p, d in windows)


def _each(value: Any, axes: int) -> list[int]:
    values = list(value) if isinstance(value, Sequence) else [value]
    return [int(one) for one in (values if len(values) == axes else values * axes)][:axes]


def _padding(field: Field, shape: tuple[int, ...], args: Any, kwargs: Any) -> Field:
    pad = list(args[1] if len(args) > 1 else kwargs["pad"])
    starts = [pad[2 * k] if 2 * k < len(pad) else 0 for k in reversed(range(len(field)))]  # the last axis comes first
    return tuple(reach.shifted(-start) for reach, start in zip(field, starts, strict=True))


def _slicing(field: Field, shape: tuple[int, ...], args: Any, kwargs: Any) -> Field:
    index = args[1] if isinstance(args[1], tuple) else (args[1],)
    if not all(isinstance(one, slice) or one is Ellipsis for one in index):
        return ()
    axes = len(field) + 2
    if Ellipsis in index:
        where = index.index(Ellipsis)
        index = (*index[:where], *[slice(None)] * (axes - len(index) + 1), *index[where + 1 :])
    spatial = [*index, *[slice(None)] * (axes - len(index))][2:]
    cuts = [one.indices(size)[::2] for one, size in zip(spatial, shape, strict=True)]
    return tuple(reach.shifted(start, step) for reach, (start, step) in zip(field, cuts, strict=True))


def _everywhere(field: Field, shape: tuple[int, ...], args: Any, kwargs: Any) -> Field:
    return ()


_WINDOWS = {
    **{f"conv{axes}d": _convolution for axes in (1, 2, 3)},
    **{f"max_pool{axes}d{ending}": _max_pool for axes in (1, 2, 3) for ending in ("", "_with_indices")},
    **{f"avg_pool{axes}d": _avg_pool for axes in (1, 2, 3)},
}
_PRODUCTS = (
    *("matmul", "__matmul__", "bmm", "baddbmm", "einsum"),
    *("scaled_dot_product_attention", "multi_head_attention_forward"),
)
_MIXING = (*_PRODUCTS, "linear", "interpolate", "grid_sample", "roll", "flip")
_Rule = Callable[[Field, tuple[int, ...], Any, Any], Field]
_RULES: dict[str, _Rule] = {
    **_WINDOWS,
    "pad": _padding,
    "__getitem__": _slicing,
    **dict.fromkeys((*(f"conv_transpose{axes}d" for axes in (1, 2, 3)), *_MIXING), _everywhere),
}
"""How a torch function, by its name, changes the field of its first input; any other one is taken to leave places alone."""


def receptive_field(model: nn.Module, x: Tensor) -> tuple[int, ...]:
    """The field in pixels, an entry a spatial axis, of the last convolution or pooling that `model` calls for images `x`.

    It is what the units could see of an image without end. Empty if there is no such layer or its field has no bounds.
    """
    with preserved(), torch.no_grad(), FieldTracker(x) as tracker:
        call_model(model, x)
    return tuple(reach.size for reach in tracker.field)


@float32_precision("ieee")
def effective_field(model: nn.Module, x: Tensor) -> float | None:
    """How far the middle unit of the last map really looks, as the side in pixels of a square (Luo et al. 2016, section 3).

    The gradient of that unit, summed over channels, with respect to the images `x` (n, c, h, w), as its mean size over images
    and channels; a pixel counts from 4.55% of the largest on, and the square has as many pixels. None if no gradient arrives.
    """
    images = x.detach().clone().requires_grad_()
    with preserved(), torch.enable_grad():
        with FieldTracker(images) as tracker:
            call_model(model, images)
        if tracker.last is None or not tracker.last.requires_grad:
            return None
        middle = tuple(side // 2 for side in tracker.last.shape[2:])
        (gradient,) = differentiate(tracker.last[(..., *middle)].sum(), [images])
    if gradient is None:
        return None
    weight = gradient.abs().mean((0, 1))
    if not bool(weight.isfinite().all()) or not float(weight.max()) > 0:
        return None
    area = int((weight >= _EFFECTIVE_SHARE * weight.max()).sum())
    side: float = area ** (1 / weight.dim())
    return side
