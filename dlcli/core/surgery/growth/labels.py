"""Labels: for each number of a tensor, the unit that it is a value of and which value of that unit it is."""

from collections import Counter
from typing import NamedTuple

import torch
from torch import Tensor

FIXED = -1
"""The unit of all that cannot grow: the input, and what is computed of it without weights."""

FREE = -2
"""The unit of padding: one number throughout, which goes with any number of units."""

_MANY = 2**31


class Labels(NamedTuple):
    """Whole numbers in the shape of the tensor that they label: `unit`, and `tag`, which tells values of a unit apart.

    Tags do not depend on the first axis, the batch.
    """

    unit: Tensor
    tag: Tensor


class Keys(NamedTuple):
    """The labels along one axis, each (length of the axis,)."""

    unit: Tensor
    tag: Tensor


class Match(NamedTuple):
    """For each place of a grown axis, its place on the axis before, and how many places share that one; each (length,)."""

    places: Tensor
    copies: Tensor


def fixed_labels(x: Tensor) -> Labels:
    """Labels of a tensor that cannot grow."""
    one = x[:1] if x.dim() else x
    tags = torch.arange(one.numel(), device=x.device).reshape(one.shape)
    return Labels(torch.full((1,) * x.dim(), FIXED, device=x.device).expand(x.shape), tags.expand(x.shape))


def labels_of_channels(x: Tensor, axis: int, keys: Keys) -> Labels:
    """Labels of a new tensor whose numbers along `axis` belong to the units of `keys`, tagged by these tags and by position."""
    along = [1] * x.dim()
    along[axis] = -1
    sides = [1 if k in (0, axis % x.dim()) else side for k, side in enumerate(x.shape)]
    positions = torch.arange(torch.Size(sides).numel(), device=x.device).reshape(sides)
    # Ranks of tags, not tags: what is pooled again and again would outgrow 64 bits.
    rank = torch.unique(keys.tag, return_inverse=True)[1].reshape(along)
    return Labels(keys.unit.reshape(along).expand(x.shape), (rank * positions.numel() + positions).expand(x.shape))


def axes_of_units(labels: Labels) -> tuple[int, ...]:
    """The axes along which units differ."""
    unit = _narrowed(labels.unit)
    return tuple(k for k in range(unit.dim()) if unit.shape[k] > 1 and bool((unit != unit.narrow(k, 0, 1)).any()))


def keys_along(labels: Labels, axis: int) -> Keys | None:
    """The labels along an axis, at the first position of all others; None if units differ along another axis too."""
    if not set(axes_of_units(labels)) <= {axis % labels.unit.dim()}:
        return None
    unit, tag = (part.movedim(axis, 0).flatten(1)[:, 0] if part.dim() > 1 else part for part in labels)
    return Keys(unit, tag)


def match(before: Keys, after: Keys) -> Match | None:
    """Where each key of `after` stands in `before`; None if one does not, or if they do not have the same keys, or twice."""
    old, new = (list(zip(keys.unit.tolist(), keys.tag.tolist(), strict=True)) for keys in (before, after))
    place_of, times = {key: place for place, key in enumerate(old)}, Counter(new)
    if len(place_of) < len(old) or set(new) != set(old):
        return None
    device = before.unit.device
    places, copies = [place_of[key] for key in new], [times[key] for key in new]
    return Match(torch.tensor(places, device=device), torch.tensor(copies, device=device))


def _narrowed(x: Tensor) -> Tensor:
    """`x` with one entry of the axes that are expanded, which saves most of the work."""
    return x[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in x.stride())]


def pairs(one: Tensor, other: Tensor) -> list[tuple[int, int]]:
    """The distinct pairs (a, b) of the units of two tensors at the same place, broadcast."""
    one, other = torch.broadcast_tensors(_narrowed(one), _narrowed(other))
    packed = torch.unique((one.long() - FREE) * _MANY + other - FREE)
    return [(a // _MANY + FREE, a % _MANY + FREE) for a in packed.tolist()]


def units_in(unit: Tensor) -> list[int]:
    """The distinct units among those of some labels, in order."""
    return torch.unique(_narrowed(unit)).tolist()  # type: ignore[no-any-return]
