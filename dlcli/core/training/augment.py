"""Data augmentation by name: random changes of training images, drawn per image, or once per clip."""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcli.core.compute.rng import preserved
from dlcli.support.errors import InputError, UsageError
from dlcli.support.suggest import did_you_mean

Augmentation = Callable[[Tensor, torch.Generator], Tensor]
"""Changes images (n, c, h, w) or clips (n, c, t, h, w) in [0, 1]; all it draws comes from the generator, on the CPU."""

_PAD = 4
_COLOURS = (1, 3)


def names() -> tuple[str, ...]:
    """All that `augmentation` knows, sorted."""
    return tuple(sorted({*_BATCHED, *_SINGLE}))


def augmentation(chosen: Sequence[str], size: tuple[int, int]) -> Augmentation | None:
    """The augmentations `chosen`, one after the other, for images of `size` (height, width); None if there are none.

    `horizontal-flip` and `vertical-flip` (probability 1/2), `crop` (4 black pixels around, then a random window; He et al.
    2016, section 4.2), `shift` (the same, up to an eighth of the size), and from torchvision.transforms.v2, with c 1 or 3:
    `rotate` (15 degrees), `affine`, `color-jitter`, `blur`, `erase`, `resized-crop`, `trivial` (TrivialAugmentWide),
    `rand` (RandAugment) and `auto` (AutoAugment). Shape and range stay; each image gets draws of its own, which depend only
    on the generator, and all frames of a clip get the same. Raises UsageError for another name or one given twice.
    """
    unknown = [name for name in chosen if name not in names()]
    if unknown:
        raise UsageError(f"no augmentation is called '{unknown[0]}'", hint=did_you_mean(unknown[0], names()))
    twice = [name for k, name in enumerate(chosen) if name in chosen[:k]]
    if twice:
        raise UsageError(f"the augmentation '{twice[0]}' is given twice")
    steps = [_BATCHED[name] if name in _BATCHED else _one_by_one(name, size) for name in chosen]
    return _chained(steps) if steps else None


def _chained(steps: Sequence[Augmentation]) -> Augmentation:
    def run(x: Tensor, source: torch.Generator) -> Tensor:
        for step in steps:
            x = step(x, source)
        return x

    return run


def _still(step: Augmentation) -> Augmentation:
    """Extend an augmentation of positions to clips, by treating their frames as further channels."""
    return lambda x, source: step(x.flatten(1, -3), source).reshape(x.shape)


def _flip(axis: int) -> Augmentation:
    def run(x: Tensor, source: torch.Generator) -> Tensor:
        turned = torch.rand(len(x), generator=source) < 0.5
        return torch.where(turned.to(x.device)[:, None, None, None], x.flip(axis), x)

    return run


def _crop(x: Tensor, source: torch.Generator) -> Tensor:
    return _window(x, (_PAD, _PAD), source)


def _shift(x: Tensor, source: torch.Generator) -> Tensor:
    return _window(x, (max(1, x.shape[2] // 8), max(1, x.shape[3] // 8)), source)


def _window(x: Tensor, pad: tuple[int, int], source: torch.Generator) -> Tensor:
    """Of each image with `pad` (rows, columns) of black around it, a window of the image's own size."""
    n, _, height, width = x.shape
    top, left = (torch.randint(2 * p + 1, (n, 1), generator=source) for p in pad)
    rows = (top + torch.arange(height)).to(x.device)
    columns = (left + torch.arange(width)).to(x.device)
    padded = F.pad(x, (pad[1], pad[1], pad[0], pad[0])).permute(0, 2, 3, 1)
    which = torch.arange(n, device=x.device)[:, None, None]
    return padded[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


_BATCHED: Mapping[str, Augmentation] = {
    "horizontal-flip": _still(_flip(3)),
    "vertical-flip": _still(_flip(2)),
    "crop": _still(_crop),
    "shift": _still(_shift),
}

_SINGLE: Mapping[str, Callable[[ModuleType, tuple[int, int]], Any]] = {
    "rotate": lambda v2, size: v2.RandomRotation(15, v2.InterpolationMode.BILINEAR),
    "affine": lambda v2, size: v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR),
    "color-jitter": lambda v2, size: v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "blur": lambda v2, size: v2.GaussianBlur(3, (0.1, 1.0)),
    "erase": lambda v2, size: v2.RandomErasing(),
    "resized-crop": lambda v2, size: v2.RandomResizedCrop(size, scale=(0.25, 1.0), antialias=True),
    "trivial": lambda v2, size: _on_bytes(v2.TrivialAugmentWide()),
    "rand": lambda v2, size: _on_bytes(v2.RandAugment()),
    "auto": lambda v2, size: _on_bytes(v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)),
}
"""Each makes a transform of one image (c, h, w) or of frames (t, c, h, w); they draw from torch's global generator."""


def _on_bytes(transform: Any) -> Callable[[Tensor], Tensor]:
    """For transforms that are defined on levels 0 to 255."""
    return lambda image: transform((image * 255).round().to(torch.uint8)).to(image.dtype).div_(255)


def _one_by_one(name: str, size: tuple[int, int]) -> Augmentation:
    """A transform of torchvision, which on a batch would draw once for all of it, applied to each image."""
    from torchvision.transforms import v2

    transform = _SINGLE[name](v2, size)

    def run(x: Tensor, source: torch.Generator) -> Tensor:
        if x.shape[1] not in _COLOURS:
            raise InputError(f"the augmentation '{name}' is for images of 1 or 3 channels; these have {x.shape[1]}")
        if not len(x):
            return x
        seed = int(torch.randint(2**62, (), generator=source))
        with preserved():
            torch.manual_seed(seed)
            images = x if x.dim() == 4 else x.transpose(1, 2)  # torchvision's videos are (t, c, h, w)
            changed = torch.stack([transform(image) for image in images]).clamp(0, 1)
            return changed if x.dim() == 4 else changed.transpose(1, 2)

    return run
