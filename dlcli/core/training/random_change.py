"""One random change of a batch of images: drawn first, applied later."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Draw = Tensor | int
"""The random numbers for a batch: a tensor with a row for each image, or the seed of further ones."""


@dataclass(frozen=True)
class RandomChange:
    """A random change of images (n, c, h, w) or clips (n, c, t, h, w) in [0, 1].

    `draw(shape, source)` draws for a batch of that shape, on the CPU and from the generator only. `apply(x, draw)` changes the
    batch, by the same draw always in the same way; a draw that is a tensor lies on the device of `x`. `move(x, draw)` moves the
    pixels of maps (n, 1, h, w) in the same way, without mixing values, and puts 0 where nothing was; None if it moves none.
    `movable` is whether that is known.
    """

    draw: Callable[[torch.Size, torch.Generator], Draw]
    apply: Callable[[Tensor, Any], Tensor]
    move: Callable[[Tensor, Any], Tensor] | None = None
    movable: bool = True
