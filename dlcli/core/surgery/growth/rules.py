"""What operations do to labels.

Those that only move numbers (views, slices, concatenations) are done to the labels too. Others are known by name: pointwise
ones, poolings, means over positions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor
from torch.nn.functional import pad
from torch.utils._pytree import tree_leaves, tree_map

from dlcli.core.graph.trace import ACTIVATIONS, CONCATENATIONS, POOLINGS, WEIGHTED
from dlcli.core.surgery.growth.labels import (
    FREE,
    Labels,
    axes_of_units,
    fixed_labels,
    keys_along,
    labels_of_channels,
    pairs,
    units_in,
)

DROPOUTS = frozenset("dropout alpha_dropout feature_dropout feature_alpha_dropout dropout1d dropout2d dropout3d".split())
OWN_WEIGHTS = WEIGHTED | frozenset("batch_norm group_norm layer_norm instance_norm rms_norm embedding lstm gru".split())
"""Operations that layers do; done by other code, they would have to be grown there."""
LIKE_FIRST = frozenset("to type_as view_as expand_as reshape_as".split())
"""Operations whose result is a constant if their first operand is one."""

_ALONG = frozenset({"softmax", "log_softmax"})
_AS_THEY_ARE = DROPOUTS | _ALONG | frozenset("clone contiguous detach to type type_as float double half bfloat16".split())
_POINTWISE = frozenset(name.rstrip("_") for name in ACTIVATIONS) | frozenset(
    (
        "add sub rsub mul rmul div rdiv true_divide pow neg abs exp expm1 log log1p sqrt rsqrt square reciprocal sigmoid tanh "
        "hardsigmoid logsigmoid softsign tanhshrink hardshrink softshrink threshold erf sin cos sign round floor clamp "
        "clamp_min clamp_max clip maximum minimum fmax fmin where masked_fill lerp addcmul addcdiv copy gt lt ge le eq ne "
        "logical_and logical_or logical_not zeros_like ones_like full_like empty_like nan_to_num"
    ).split()
)
_SLICES = frozenset("getitem chunk split split_with_sizes tensor_split unbind narrow select index_select".split())
_MOVES = _SLICES | frozenset(
    (
        "view view_as reshape reshape_as flatten unflatten permute transpose swapaxes movedim moveaxis t squeeze unsqueeze "
        "expand expand_as repeat tile roll flip get pixel_shuffle pixel_unshuffle channel_shuffle"
    ).split()
)
_SPATIAL = POOLINGS | frozenset("interpolate upsample pad lp_pool1d lp_pool2d".split())
_REDUCTIONS = frozenset("mean sum amax amin max min".split())
_JOINS = CONCATENATIONS | {"stack"}


class LostLabelsError(Exception):
    """Labels cannot be followed through an operation; says what it does, if it is not just unknown."""


@dataclass(frozen=True)
class LabelledCall:
    """A call: its name without underscores, what it was called with, and the tensors that it wrote.

    `known` has the labels of the tensors that it read by their ids, `constants` the tensors without labels.
    """

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    known: Mapping[int, Labels]
    constants: Sequence[Tensor]
    outputs: Sequence[Tensor]

    def argument(self, position: int, *names: str, default: Any = None) -> Any:
        """What is given at a position or by one of these names."""
        if len(self.args) > position:
            return self.args[position]
        return next((self.kwargs[name] for name in names if name in self.kwargs), default)

    @property
    def labels(self) -> list[Labels]:
        """The labels of what it read, in order."""
        return list(self.known.values())

    @property
    def drops(self) -> bool:
        """Whether it is a dropout that drops anything in training."""
        return self.name in DROPOUTS and float(self.argument(1, "p", default=0.5)) > 0


class Notes(Protocol):
    """Takes note of what operations do to units."""

    def unite(self, units: Sequence[tuple[int, int]]) -> None:
        """Pairs of units meet in a pointwise operation."""

    def fix(self, units: Sequence[int]) -> None:
        """Units must stay as many as they are."""

    def part(self, units: Sequence[int]) -> None:
        """Units stand together."""


def labels_after(op: LabelledCall, notes: Notes) -> list[Labels]:
    """The labels of the outputs; raises LostLabelsError."""
    if not op.outputs:
        return []
    rule = next((rule for names, rule in _RULES if op.name in names), None)
    if rule is None:
        raise LostLabelsError
    return rule(op, notes)


def _as_they_are(op: LabelledCall, notes: Notes) -> list[Labels]:
    labels = op.labels[0]
    if op.name in _ALONG:
        _check_free(op, labels)
    return [labels] * len(op.outputs)


def _pointwise(op: LabelledCall, notes: Notes) -> list[Labels]:
    shape, labels, constants = op.outputs[0].shape, op.labels, list(op.constants)
    if op.name == "copy":
        source = op.known.get(id(op.args[1]))
        if source is None:
            raise LostLabelsError
        labels, constants = [source], []
    main = next((one for one in labels if one.unit.shape == shape), labels[0])
    for other in labels:
        if other is not main:
            _meet(main, other, notes)
    axes = _axes_from_end(main)
    sides = [tensor.numel() if op.name == "prelu" else _side(tensor, axis) for tensor in constants for axis in axes]
    if any(side > 1 for side in sides):
        raise LostLabelsError(f"computes with a tensor of its own for each unit ({op.name}), which cannot grow")
    found = Labels(*(part.expand(shape) for part in main))
    for other in labels:
        found = _filled(found, other)
    return [found] * len(op.outputs)


def _filled(labels: Labels, other: Labels) -> Labels:
    """`labels`, and those of `other` where these are of padding."""
    free = labels.unit == FREE
    return Labels(*(part.where(~free, more) for part, more in zip(labels, other, strict=True))) if free.any() else labels


def _meet(main: Labels, other: Labels, notes: Notes) -> None:
    """Note what follows from a pointwise operation on two tensors."""
    if main.unit.shape == other.unit.shape or any(_side(other.unit, axis) > 1 for axis in _axes_from_end(main)):
        notes.unite(pairs(main.unit, other.unit))
    else:
        # One value for all units of `main`: were there more of it, it would have no unit to go with.
        notes.fix(units_in(other.unit))


def _moved(op: LabelledCall, notes: Notes) -> list[Labels]:
    def swapped(part: int) -> list[Tensor]:
        def swap(leaf: Any) -> Any:
            labels = op.known.get(id(leaf)) if isinstance(leaf, Tensor) else None
            if labels is None:
                return leaf
            # Labels are expanded, which `view` does not take. Another tensor of the same memory keeps its own shape, whatever
            # is done to it in place.
            return labels[part].contiguous() if op.name.startswith("view") else labels[part].detach()

        args, kwargs = tree_map(swap, (op.args, dict(op.kwargs)))
        return [leaf for leaf in tree_leaves(op.call(*args, **kwargs)) if isinstance(leaf, Tensor)]

    found = [Labels(unit, tag) for unit, tag in zip(swapped(0), swapped(1), strict=True)]
    for labels in found if op.name in _SLICES else ():
        notes.part(units_in(labels.unit))
    return found


def _joined(op: LabelledCall, notes: Notes) -> list[Labels]:
    labels = [op.known.get(id(part)) or fixed_labels(part) for part in op.argument(0, "tensors")]
    # The place among the parts goes into the tag: the parts may have the same units.
    tags = [one.tag * len(labels) + k for k, one in enumerate(labels)]
    axis = op.argument(1, "dim", "axis", default=0)
    return [Labels(op.call([one.unit for one in labels], axis), op.call(tags, axis))]


def _spatial(op: LabelledCall, notes: Notes) -> list[Labels]:
    labels, output = op.labels[0], op.outputs[0]
    axes = axes_of_units(labels)
    axis = axes[0] if axes and op.name == "pad" else 1
    if op.name == "pad" and labels.unit.shape[axis] != output.shape[axis]:
        return [_padded(op, labels, axis)]
    keys = keys_along(labels, axis)
    if keys is None or labels.unit.dim() != output.dim() or labels.unit.shape[axis] != output.shape[axis]:
        raise LostLabelsError
    return [labels_of_channels(one, axis, keys) for one in op.outputs]


def _padded(op: LabelledCall, labels: Labels, axis: int) -> Labels:
    """Labels of a tensor with padding along the axis of its units, and along no other."""
    sides, along = list(op.argument(1, "pad")), 2 * (labels.unit.dim() - 1 - axis)
    others = sides[:along] + sides[along + 2 :]
    if any(others) or min(sides) < 0 or op.argument(2, "mode", default="constant") != "constant":
        raise LostLabelsError
    return Labels(pad(labels.unit, sides, value=FREE), pad(labels.tag, sides))


def _reduced(op: LabelledCall, notes: Notes) -> list[Labels]:
    labels, dim = op.labels[0], op.argument(1, "dim", "axis")
    if dim is None or len(op.known) > 1:
        raise LostLabelsError
    _check_free(op, labels)
    keep = bool(op.argument(2, "keepdim", default=False))
    return [Labels(*(part.amin(dim, keep) for part in labels))] * len(op.outputs)


_RULES = (
    (_AS_THEY_ARE, _as_they_are),
    (_POINTWISE, _pointwise),
    (_MOVES, _moved),
    (_JOINS, _joined),
    (_SPATIAL, _spatial),
    (_REDUCTIONS, _reduced),
)


def _check_free(op: LabelledCall, labels: Labels) -> None:
    """Raise LostLabelsError if the operation mixes units along the axes that it is given."""
    dim, dims = op.argument(1, "dim", "axis"), labels.unit.dim()
    axes = {k % dims for k in ((dim,) if isinstance(dim, int) else dim or range(dims))}
    if axes & set(axes_of_units(labels)):
        raise LostLabelsError(f"calls {op.name} over units, whose number would change it")


def _axes_from_end(labels: Labels) -> list[int]:
    return [k - labels.unit.dim() for k in axes_of_units(labels)]


def _side(x: Tensor, axis: int) -> int:
    """The length of an axis that counts from the end; 1 if there is none."""
    return x.shape[axis] if -axis <= x.dim() else 1
