"""Operations on all weights or gradients of a network: on a GPU a few launches, not some for each tensor."""

from collections.abc import Mapping, Sequence
from math import inf

import torch
from torch import Tensor, nn


def largest_magnitude(tensors: Sequence[Tensor]) -> Tensor:
    """The largest absolute value in `tensors`, which lie on one device; NaN if there is one."""
    return _from_ends(tensors) if tensors[0].device.type == "cpu" else nn.utils.get_total_norm(tensors, inf)


def _from_ends(tensors: Sequence[Tensor]) -> Tensor:
    """The infinity norm of all, in a twentieth of the time that it takes on a CPU."""
    return torch.stack([end for tensor in tensors for end in tensor.aminmax()]).abs().max()


@torch.no_grad()
def move_towards(average: Mapping[str, Tensor], now: Mapping[str, Tensor], share: float) -> None:
    """Move each float of `average` by `share` of its distance to that of `now`, in place; copy the integers."""
    floats = [name for name, value in average.items() if value.is_floating_point()]
    if floats:
        torch._foreach_lerp_([average[name] for name in floats], [now[name] for name in floats], share)
    for name in average.keys() - floats:
        average[name].copy_(now[name])
