"""The strong changes of FixMatch, on whole batches: moved, turned, scaled and sheared, other contrast, and a part cut out.

FixMatch (Sohn et al. 2020, arXiv 2001.07685) draws two operations of RandAugment for each image and cuts out a square. Here
each image gets all changes of position at once, as one resampling, and one of contrast and brightness, so that a batch is
changed in a few operations. Images are not mirrored, for digits and letters are not.
"""

import math

import torch
from torch import Tensor

from dlcli.core.training.random_change import RandomChange
from dlcli.core.training.torchvision_changes import resampled, without_rectangle

_TURN, _SHEAR, _MOVE, _SCALE = math.radians(30), 0.3, 0.125, 0.2
_CONTRAST, _BRIGHTNESS, _CUT = 0.5, 0.2, 0.5
_DRAWS = 10


def strong_change(size: tuple[int, int]) -> RandomChange:
    """Turns by up to 30 degrees, shears 0.3, moves an eighth, scales 0.8 to 1.2; contrast 0.5 to 1.5, brightness 0.2.

    A square of half the shorter side, anywhere, also over the border, becomes black. `size` is (height, width).
    """
    height, width = size
    side = max(1, round(_CUT * min(size)))

    def draw(shape: torch.Size, source: torch.Generator) -> Tensor:
        return torch.rand(shape[0], _DRAWS, generator=source)

    def apply(x: Tensor, drawn: Tensor) -> Tensor:
        there = 2 * drawn - 1
        turn, shear = _TURN * there[:, 0], _SHEAR * there[:, 1]
        scale = 1 + _SCALE * there[:, 2:4]
        moved = _MOVE * there[:, 4:6] * torch.tensor([width, height], device=x.device)
        cosine, sine = turn.cos(), turn.sin()
        rows = [cosine / scale[:, 0], (cosine * shear - sine) / scale[:, 0], moved[:, 0]]
        rows += [sine / scale[:, 1], (sine * shear + cosine) / scale[:, 1], moved[:, 1], torch.zeros_like(turn)]
        found = resampled(x, torch.stack(rows, 1))
        gain, more = (1 + _CONTRAST * there[:, 6]), _BRIGHTNESS * there[:, 7]
        found = (found * gain[:, None, None, None] + more[:, None, None, None]).clamp(0, 1)
        corner = (drawn[:, 8:] * torch.tensor([height, width], device=x.device)).floor() - side // 2
        return without_rectangle(found, torch.cat([corner, torch.full_like(corner, side)], 1))

    return RandomChange(draw, apply)
