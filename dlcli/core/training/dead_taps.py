"""Convolutions of which some weights read padding only, as where a stride of two meets an image of one pixel.

On a CPU, where the stride is longer than the image, oneDNN leaves the gradient of such weights in bfloat16 as it found the
memory, instead of 0: training on it goes astray or diverges, and never twice the same way.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import call_model, in_mode
from dlcli.core.compute.rng import preserved


@torch.no_grad()
def has_dead_taps(model: nn.Module, x: Tensor) -> bool:
    """Whether a Conv2d of `model` has a stride longer than what it reads and weights that read padding only.

    `x` (n, c, h, w) or (n, c, t, h, w) are images or clips such as the network takes.
    """
    found: list[bool] = []

    def look(module: Any, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> None:
        shape = (args[0] if args else kwargs["input"]).shape[-2:]
        found.append(any(_dead(module, axis, length) for axis, length in enumerate(shape)))

    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros"]
    handles = [layer.register_forward_pre_hook(look, with_kwargs=True) for layer in layers]
    try:
        with preserved(), in_mode(model):
            call_model(model, x)
    finally:
        for handle in handles:
            handle.remove()
    return any(found)


def _dead(layer: nn.Conv2d, axis: int, length: int) -> bool:
    if isinstance(layer.padding, str) or layer.stride[axis] <= length:
        return False  # of paddings by name, `same` goes with a stride of 1 only, and `valid` is none
    padding, stride, reach = layer.padding[axis], layer.stride[axis], layer.dilation[axis]
    taps: Sequence[int] = [tap * reach - padding for tap in range(layer.kernel_size[axis])]
    places = range(0, length + padding - taps[-1], stride)
    return any(all(not 0 <= place + tap < length for place in places) for tap in taps)
