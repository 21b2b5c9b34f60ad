"""Data augmentation by name: random changes of training images, drawn per image, or once per clip."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcli.core.compute.loader import to_device
from dlcli.core.training.random_change import Draw, RandomChange
from dlcli.core.training.torchvision_changes import TORCHVISION, torchvision_change
from dlcli.support.errors import UsageError
from dlcli.support.suggest import did_you_mean

_PAD = 4


@dataclass(frozen=True)
class Augmentation:
    """Changes of a batch, one after the other. Drawn first and applied later, so that an epoch's draws travel together."""

    changes: tuple[RandomChange, ...]

    def __call__(self, x: Tensor, source: torch.Generator) -> Tensor:
        """Draw for `x` and change it."""
        (draws,) = self.draw_ahead([x.shape], [source], x.device)
        return self.apply(x, draws)

    def draw_ahead(
        self, shapes: Iterable[torch.Size], sources: Iterable[torch.Generator], device: torch.device
    ) -> list[tuple[Draw, ...]]:
        """Draw for several batches.

        Args:
            shapes: Those of the batches.
            sources: A generator for each batch, on the CPU.
            device: Where the batches will be.

        Returns:
            For each batch what `apply` takes. Each change copies the draws of all batches to the device at once.
        """
        drawn = [[change.draw(shape, source) for change in self.changes] for shape, source in zip(shapes, sources, strict=True)]
        if not self.changes:
            return [() for _ in drawn]
        return list(zip(*(_on_device(draws, device) for draws in zip(*drawn, strict=True)), strict=True))

    def change(self, x: Tensor, y: Tensor, draws: Sequence[Draw]) -> tuple[Tensor, Tensor]:
        """Change images as it was drawn; labels stay.

        Args:
            x: The images.
            y: Their labels.
            draws: What was drawn.

        Returns:
            Images and labels.
        """
        return self.apply(x, draws), y

    def apply(self, x: Tensor, draws: Sequence[Draw]) -> Tensor:
        """Change `x` as it was drawn."""
        for change, draw in zip(self.changes, draws, strict=True):
            x = change.apply(x, draw)
        return x


def _on_device(draws: Sequence[Draw], device: torch.device) -> Sequence[Draw]:
    tensors = [draw for draw in draws if isinstance(draw, Tensor)]
    return to_device(tensors, device) if tensors else draws  # a seed stays on the host, where it is used


def names() -> tuple[str, ...]:
    """All that `augmentation` knows, sorted."""
    return tuple(sorted({*_POSITIONS, *TORCHVISION}))


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
    changes = [_POSITIONS[name] if name in _POSITIONS else torchvision_change(name, size) for name in chosen]
    return Augmentation(tuple(changes)) if changes else None


def _still(change: RandomChange) -> RandomChange:
    """Extend a change of positions to clips, by treating their frames as further channels."""
    return RandomChange(change.draw, lambda x, draw: change.apply(x.flatten(1, -3), draw).reshape(x.shape), change.apply)


def _flip(axis: int) -> RandomChange:
    def flip(x: Tensor, turned: Tensor) -> Tensor:
        return torch.where(turned[:, None, None, None], x.flip(axis), x)

    return RandomChange(lambda shape, source: torch.rand(shape[0], generator=source) < 0.5, flip)


def _crop(pad: Callable[[torch.Size], tuple[int, int]]) -> RandomChange:
    """Of each image with `pad` (rows, columns) of black around it, a window of the image's own size."""

    def draw(shape: torch.Size, source: torch.Generator) -> Tensor:
        return torch.cat([torch.randint(2 * p + 1, (shape[0], 1), generator=source) for p in pad(shape)], 1)

    def window(x: Tensor, corner: Tensor) -> Tensor:
        n, _, height, width = x.shape
        rows = corner[:, :1] + torch.arange(height, device=x.device)
        columns = corner[:, 1:] + torch.arange(width, device=x.device)
        down, right = pad(x.shape)
        padded = F.pad(x, (right, right, down, down)).permute(0, 2, 3, 1)
        which = torch.arange(n, device=x.device)[:, None, None]
        return padded[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    return RandomChange(draw, window)


_POSITIONS: Mapping[str, RandomChange] = {
    "horizontal-flip": _still(_flip(3)),
    "vertical-flip": _still(_flip(2)),
    "crop": _still(_crop(lambda shape: (_PAD, _PAD))),
    "shift": _still(_crop(lambda shape: (max(1, shape[-2] // 8), max(1, shape[-1] // 8)))),
}
