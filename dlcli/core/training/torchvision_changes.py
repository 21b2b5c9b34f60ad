"""Augmentations of torchvision.transforms.v2, with its own draws: on whole batches where that gives the same bits.

So it does for rotating, moving and erasing. The others are applied image by image: jitter adds a share of a grey image, which
is rounded differently where the shares are a tensor; blur would be a grouped convolution, which sums in another order; the rest
do different things to different images.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcli.core.compute.precision import float32_precision
from dlcli.core.training.random_change import RandomChange
from dlcli.support.errors import InputError

_COLOURS = (1, 3)


def torchvision_change(name: str, size: tuple[int, int]) -> RandomChange:
    """The change called `name`, one of TORCHVISION, for images or clips of `size` (height, width) with 1 or 3 channels."""
    from torchvision.transforms import v2

    change = TORCHVISION[name](v2, size)

    def draw(shape: torch.Size, source: torch.Generator) -> Tensor | int:
        if shape[1] not in _COLOURS:
            raise InputError(f"the augmentation '{name}' is for images of 1 or 3 channels; these have {shape[1]}")
        return change.draw(shape, source)

    return replace(change, draw=draw, apply=lambda x, draw: change.apply(x, draw) if len(x) else x)


def _seed(source: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=source))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block, from which torchvision draws: that of the CPU, whatever the device."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _one_by_one(transform: Callable[[Tensor], Tensor], *, movable: bool = True) -> RandomChange:
    """A transform of one image (c, h, w) or of frames (t, c, h, w), which on a batch would draw once for all of it.

    `movable` is whether it leaves pixels where they are, so that masks stay too.
    """

    def apply(x: Tensor, seed: int) -> Tensor:
        images = x if x.dim() == 4 else x.transpose(1, 2)  # torchvision's videos are (t, c, h, w)
        with seeded(seed):
            changed = torch.stack([transform(image) for image in images]).clamp(0, 1)
        return changed if x.dim() == 4 else changed.transpose(1, 2)

    return RandomChange(lambda shape, source: _seed(source), apply, movable=movable)


def _at_once(row: Callable[[torch.Size], list[float]], apply: Callable[[Tensor, Tensor], Tensor]) -> RandomChange:
    """A change of frames (n, c, h, w) by the rows (n, ...) that `row` draws, one for each image, from the global generator."""

    def draw(shape: torch.Size, source: torch.Generator) -> Tensor:
        with seeded(_seed(source)):
            return torch.tensor([row(shape) for _ in range(shape[0])])

    def run(x: Tensor, rows: Tensor) -> Tensor:
        frames = x[:, None] if x.dim() == 4 else x.transpose(1, 2)
        repeated = rows[:, None].expand(-1, frames.shape[1], -1).flatten(0, 1)
        changed = apply(frames.flatten(0, 1), repeated).contiguous().clamp_(0, 1)
        return changed if x.dim() == 4 else changed.view(frames.shape).transpose(1, 2)

    return RandomChange(draw, run)


def _moved(transform: Any) -> RandomChange:
    """RandomRotation or RandomAffine, without shear and with black where nothing was."""

    def row(shape: torch.Size) -> list[float]:
        drawn = transform.make_params([torch.empty(()).expand(shape[-2:])])
        angle, move = drawn["angle"], drawn.get("translate", (0, 0))
        # `rotate` turns the other way than `affine`, and leaves an image as it is where the angle is 0.
        turned = angle if "scale" in drawn else -(angle % 360)
        matrix = _inverse(turned, drawn.get("scale", 1.0), move)
        return [*matrix, float("scale" not in drawn and angle == 0)]

    return replace(_at_once(row, resampled), move=partial(resampled, mode="nearest"))


def _inverse(angle: float, scale: float, move: tuple[int, int]) -> list[float]:
    """The 2x3 matrix from a place in the changed image to its source, in pixels from the centre; angle in degrees."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    a, b, c, d = cosine / scale, sine / scale, -sine / scale, cosine / scale
    return [a, b, -a * move[0] - b * move[1], c, d, -c * move[0] - d * move[1]]


def resampled(x: Tensor, rows: Tensor, mode: str = "bilinear") -> Tensor:
    """Images (n, c, h, w) sampled at other places, by interpolation of this mode, black where nothing was.

    `rows` (n, 7): the 2x3 matrix from a place in the changed image to its source, in pixels from the centre, row by row, and 1
    for an image that stays as it is, 0 for others.
    """
    n, _, height, width = x.shape
    axes = [torch.linspace((1 - length) / 2, (length - 1) / 2, length, device=x.device) for length in (width, height)]
    places = torch.stack([*torch.meshgrid(*axes, indexing="xy"), torch.ones(height, width, device=x.device)], -1)
    half = torch.cat([torch.full((1, 3), length / 2, device=x.device) for length in (width, height)])
    matrices = (rows[:, :6].view(n, 2, 3) / half).transpose(1, 2)
    with float32_precision("ieee"):  # TF32 is wrong by a tenth of a pixel in 224
        grid = places.view(1, -1, 3).expand(n, -1, -1).bmm(matrices).view(n, height, width, 2)
    if mode == "nearest":
        moved = F.grid_sample(x, grid, mode=mode, align_corners=False)
        return torch.where(rows[:, 6].bool()[:, None, None, None], x, moved)
    # A further channel, of ones, says how much of each place lies inside the image.
    sampled = F.grid_sample(torch.cat([x, torch.ones_like(x[:, :1])], 1), grid, align_corners=False)
    return torch.where(rows[:, 6].bool()[:, None, None, None], x, sampled[:, :-1] * sampled[:, -1:])


def _erased(transform: Any) -> RandomChange:
    """RandomErasing, with black."""

    def row(shape: torch.Size) -> list[float]:
        if torch.rand(1) >= transform.p:
            return [0, 0, 0, 0]
        drawn = transform.make_params([torch.empty(()).expand(shape[1], *shape[-2:])])
        return [0, 0, 0, 0] if drawn["v"] is None else [drawn[name] for name in "ijhw"]

    return _at_once(row, without_rectangle)


def without_rectangle(x: Tensor, rows: Tensor) -> Tensor:
    """Images (n, c, h, w) with a black rectangle each, as far as it lies inside; `rows` (n, 4): top, left, height, width."""
    top, left, height, width = rows[:, :, None].unbind(1)
    down, right = (torch.arange(length, device=x.device) for length in x.shape[-2:])
    inside = ((down >= top) & (down < top + height))[:, :, None] & ((right >= left) & (right < left + width))[:, None]
    return x.masked_fill(inside[:, None], 0.0)


def _window(transform: Any) -> RandomChange:
    """RandomResizedCrop, which takes masks as such to the nearest pixel."""

    def move(masks: Tensor, seed: int) -> Tensor:
        from torchvision.tv_tensors import Mask

        with seeded(seed):
            return torch.stack([transform(Mask(mask)) for mask in masks])

    return replace(_one_by_one(transform), move=move)


def _on_bytes(transform: Any) -> Callable[[Tensor], Tensor]:
    """For transforms that are defined on levels 0 to 255."""
    return lambda image: transform((image * 255).round().to(torch.uint8)).to(image.dtype).div_(255)


TORCHVISION: Mapping[str, Callable[[ModuleType, tuple[int, int]], RandomChange]] = {
    "rotate": lambda v2, size: _moved(v2.RandomRotation(15)),
    "affine": lambda v2, size: _moved(v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1))),
    "erase": lambda v2, size: _erased(v2.RandomErasing()),
    "color-jitter": lambda v2, size: _one_by_one(v2.ColorJitter(0.4, 0.4, 0.4, 0.1)),
    "blur": lambda v2, size: _one_by_one(v2.GaussianBlur(3, (0.1, 1.0))),
    "resized-crop": lambda v2, size: _window(v2.RandomResizedCrop(size, scale=(0.25, 1.0), antialias=True)),
    "trivial": lambda v2, size: _one_by_one(_on_bytes(v2.TrivialAugmentWide()), movable=False),
    "rand": lambda v2, size: _one_by_one(_on_bytes(v2.RandAugment()), movable=False),
    "auto": lambda v2, size: _one_by_one(_on_bytes(v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)), movable=False),
}
"""Each makes a change, by name, from the module torchvision.transforms.v2 and the size (height, width) of the images."""
