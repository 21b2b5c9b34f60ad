"""Random crops and other changes of images and their masks: what moves pixels moves labels with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.training.augment import Augmentation, augmentation
from dlcli.core.training.random_change import Draw
from dlcli.specs.masks import OUTSIDE, VOID
from dlcli.support.errors import UsageError

_LEVELS = 256


@dataclass(frozen=True)
class MaskAugmentation(Augmentation):
    """Changes of images (n, c, h, w) and masks (n, h, w) in a random window, which lies inside each picture where it fits.

    A picture that is smaller than the window has black beside it, and its mask VOID. Nothing is mixed: a label is moved to the
    nearest pixel, and what comes from outside is VOID.

    Attributes:
        window: Height and width of the window; None for whole pictures.
    """

    window: tuple[int, int] | None = None

    def draw_ahead(
        self, shapes: Iterable[torch.Size], sources: Iterable[torch.Generator], device: torch.device
    ) -> list[tuple[Draw, ...]]:
        """See `Augmentation`; the first draw is where the windows lie."""
        every, taken = list(shapes), list(sources)
        if self.window is None:
            return super().draw_ahead(every, taken, device)
        corners = [torch.rand(shape[0], 2, generator=source).to(device) for shape, source in zip(every, taken, strict=True)]
        inner = [torch.Size((*shape[:-2], *self.window)) for shape in every]
        others = super().draw_ahead(inner, taken, device) if self.changes else [()] * len(every)
        return [(first, *rest) for first, rest in zip(corners, others, strict=True)]

    def change(self, x: Tensor, y: Tensor, draws: Sequence[Draw]) -> tuple[Tensor, Tensor]:
        """Change images and masks as it was drawn; see `Augmentation`."""
        if self.window is not None:
            x, y = windows(x, y, torch.as_tensor(draws[0]), self.window)
            draws = draws[1:]
        # VOID becomes 0 and label k becomes k + 1, so that 0 from outside is VOID.
        labels = (y.masked_fill(y == OUTSIDE, VOID).to(torch.int16) + 1).remainder(_LEVELS).float()[:, None]
        for change, draw in zip(self.changes, draws, strict=True):
            x = change.apply(x, draw)
            labels = labels if change.move is None else change.move(labels, draw)
        return x, (labels[:, 0].to(torch.int16) - 1).remainder(_LEVELS).to(torch.uint8)


def windows(x: Tensor, y: Tensor, corners: Tensor, window: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A window of each picture and of its mask.

    Args:
        x: Images (n, c, h, w).
        y: Masks (n, h, w), OUTSIDE beside pictures that are smaller.
        corners: Where the window lies, (n, 2) in [0, 1): from the upper left end of a picture to the other.
        window: Its height and width.

    Returns:
        Images (n, c, *window) and masks (n, *window).
    """
    there = y != OUTSIDE
    sides = torch.stack([there.any(2).sum(1), there.any(1).sum(1)], 1)
    spare = (sides - torch.tensor(window, device=y.device)).clamp(min=0)
    starts = (corners.to(y.device) * (spare + 1)).long().tolist()
    images, masks = x.new_zeros(*x.shape[:2], *window), y.new_full((len(y), *window), OUTSIDE)
    for k, (top, left) in enumerate(starts):
        part = y[k, top : top + window[0], left : left + window[1]]
        masks[k, : part.shape[0], : part.shape[1]] = part
        images[k, :, : part.shape[0], : part.shape[1]] = x[k, :, top : top + window[0], left : left + window[1]]
    return images, masks


def mask_augmentation(chosen: Sequence[str], size: tuple[int, int], window: tuple[int, int] | None) -> MaskAugmentation | None:
    """The augmentations `chosen` for images and their masks; None if nothing is changed.

    Args:
        chosen: Names, as `augmentation` takes them.
        size: Height and width of the images.
        window: Height and width of random windows; None for whole images.

    Raises:
        UsageError: For a name that is unknown, or of a change that is not known to move masks.
    """
    found = augmentation(chosen, window or size)
    changes = () if found is None else found.changes
    for name, change in zip(chosen, changes, strict=True):
        if not change.movable:
            raise UsageError(f"`augment`: {name} moves pixels in ways that masks cannot follow", hint="choose affine or rotate")
    return MaskAugmentation(changes, window) if changes or window is not None else None
