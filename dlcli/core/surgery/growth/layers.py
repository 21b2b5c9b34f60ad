"""How single layers grow: which axis has their units, and their weights for other units before and behind them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from dlcli.core.surgery.base import WEIGHT_LAYERS, display_name
from dlcli.core.surgery.growth.labels import Labels, Match, axes_of_units
from dlcli.support.errors import InputError
from dlcli.support.plural import count

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CHANNELS_LAST = (nn.LayerNorm, nn.RMSNorm)
_BY_CHANNEL = (_BatchNorm, _InstanceNorm, nn.PReLU)
"""Layers that treat every channel by itself; others normalise over several."""

_LAYERS = (*WEIGHT_LAYERS, *_BY_CHANNEL, *_CHANNELS_LAST, nn.GroupNorm)

_SIZES = ("num_features", "num_channels", "num_parameters")


def has_units(module: nn.Module) -> bool:
    """Whether it is a layer with weights or parameters for each unit, which grows; a PReLU may have one slope for all."""
    return isinstance(module, _LAYERS) and not (isinstance(module, nn.PReLU) and module.num_parameters == 1)


def check_layer(path: str, layer: nn.Module, owners: dict[int, str]) -> None:
    """Raise InputError for a layer that makes its weight of others, or shares it with another layer; `owners` is filled."""
    own = dict(layer.named_parameters(recurse=False))
    more = {name for name, _ in layer.named_parameters() if "parametrizations" in name} | (set(own) - {"weight", "bias"})
    if more:
        hint = "take the reparametrization (a weight norm?) off first"
        raise InputError(f"{display_name(path)} makes its weight of others ({', '.join(sorted(more))})", hint=hint)
    for parameter in own.values():
        other = owners.setdefault(id(parameter), path)
        if other != path:
            raise InputError(f"{display_name(path)} shares its weight with {display_name(other)}")


def is_depthwise(layer: Any) -> bool:
    """Whether it is a convolution with a group for each channel."""
    return isinstance(layer, WEIGHT_LAYERS) and 1 < getattr(layer, "groups", 1) == layer.in_channels == layer.out_channels


def groups_of(layer: Any) -> int:
    """Into how many groups it divides its channels."""
    return int(getattr(layer, "num_groups" if isinstance(layer, nn.GroupNorm) else "groups", 1))


def read_axis(layer: nn.Module, labels: Labels) -> int:
    """The axis of the channels of what a layer reads."""
    return _axis(layer, labels.unit.dim(), axes_of_units(labels))


def written_axis(layer: nn.Module, output: Tensor) -> int:
    """The axis of the channels of what a layer of `WEIGHT_LAYERS` puts out."""
    return _axis(layer, output.dim(), ())


def _axis(layer: nn.Module, dims: int, axes: tuple[int, ...]) -> int:
    if isinstance(layer, nn.Linear):
        return dims - 1
    if isinstance(layer, WEIGHT_LAYERS):
        return dims - 1 - len(layer.kernel_size)  # type: ignore[arg-type]
    # Subclasses normalise along other axes than torch's: that of the units tells.
    return axes[0] if len(axes) == 1 else dims - 1 if isinstance(layer, _CHANNELS_LAST) else 1


def grow_weights(path: str, layer: Any, inputs: Match, rows: Tensor) -> None:
    """Give a convolution or fully connected layer its weights for other units, in place.

    Args:
        path: What it is called.
        layer: The layer.
        inputs: Where the units that it reads stood before.
        rows: Of which former unit each unit that it puts out is a copy, (units,).
    """
    # From (groups, outputs of a group, inputs of a group, ...).
    weight, groups = _by_group(layer, layer.weight.detach()), groups_of(layer)
    if is_depthwise(layer) and len(rows) == len(inputs.places) and torch.equal(rows, inputs.places):
        grown, groups = weight[rows], len(rows)
    else:
        index, row = (_by_part(path, part, groups, weight.shape[k]) for part, k in ((inputs.places, 2), (rows, 1)))
        share = inputs.copies.reshape(groups, 1, -1, *[1] * (weight.dim() - 3))
        grown = torch.stack([weight[g][row[g]][:, index[g]] for g in range(groups)]) / share
    _replace(layer, "weight", _from_groups(layer, grown))
    if layer.bias is not None:
        _replace(layer, "bias", layer.bias.detach()[rows])
    names = ("in_features", "out_features") if isinstance(layer, nn.Linear) else ("in_channels", "out_channels")
    for name, size in zip(names, (len(inputs.places), len(rows)), strict=True):
        setattr(layer, name, size)
    if not isinstance(layer, nn.Linear):
        layer.groups = groups


def grow_by_channel(path: str, layer: Any, inputs: Match) -> None:
    """Give a normalisation or PReLU its parameters and statistics for other units, in place.

    Raises InputError if it normalises over units that do not all have as many copies.
    """
    size = len(inputs.places)
    if isinstance(layer, (nn.GroupNorm, *_CHANNELS_LAST)):
        _check_even(path, layer, inputs)
    for name, values in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
        if values.dim():
            _replace(layer, name, values.detach()[inputs.places])
    if isinstance(layer, _CHANNELS_LAST):
        layer.normalized_shape = (size,)
    for name in _SIZES:
        if hasattr(layer, name):
            setattr(layer, name, size)


def add_noise(layer: Any, copied: Tensor, noise: float) -> None:
    """Add N(0, (noise * s)^2) to the weights of the units that `copied` (units,) marks; s is the deviation of all weights."""
    weight = layer.weight.detach()
    by_group = _by_group(layer, weight.clone())
    drawn = torch.randn(by_group.shape, dtype=weight.dtype).to(weight.device) * (noise * float(weight.std()))
    marks = copied.reshape(*by_group.shape[:2], *[1] * (by_group.dim() - 2))
    _replace(layer, "weight", _from_groups(layer, by_group + drawn * marks))


def _by_group(layer: Any, weight: Tensor) -> Tensor:
    parts: Tensor = weight.unflatten(0, (groups_of(layer), -1))
    return parts.transpose(1, 2) if isinstance(layer, _TRANSPOSED) else parts


def _from_groups(layer: Any, weight: Tensor) -> Tensor:
    parts = weight.transpose(1, 2) if isinstance(layer, _TRANSPOSED) else weight
    return parts.flatten(0, 1).contiguous()


def _by_part(path: str, index: Tensor, groups: int, size: int) -> Tensor:
    """Places (groups, places of a group) within the groups, each of which had `size` units."""
    owners = torch.arange(groups, device=index.device)[:, None]
    if len(index) % groups or bool((index.reshape(groups, -1) // size != owners).any()):
        raise InputError(f"{display_name(path)} has {count(groups, 'group')} of channels, which do not grow alike")
    return index.reshape(groups, -1) % size


def _check_even(path: str, layer: Any, inputs: Match) -> None:
    if isinstance(layer, _CHANNELS_LAST) and len(layer.normalized_shape) != 1:
        raise InputError(f"{display_name(path)} normalises over channels and positions, for which there is no rule")
    if bool((inputs.copies != inputs.copies[0]).any()):
        hint = "choose a whole number: then each unit has as many copies"
        raise InputError(f"{display_name(path)} normalises over units, of which not all would have as many copies", hint=hint)
    if isinstance(layer, nn.GroupNorm):
        _by_part(path, inputs.places, layer.num_groups, layer.num_channels // layer.num_groups)


def _replace(layer: nn.Module, name: str, values: Tensor) -> None:
    old = getattr(layer, name)
    setattr(layer, name, nn.Parameter(values, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else values)
