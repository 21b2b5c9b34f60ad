"""Views of each image, drawn as one random change: (n, c, h, w) become (n, views, c, height, width)."""

import torch
from torch import Tensor

from dlcli.core.compute.rng import generator
from dlcli.core.training.augment import Augmentation
from dlcli.core.training.random_change import RandomChange
from dlcli.support.seeds import derive

VIEWS = 2
"""How many views there are of each image."""


def two_patches(side: int) -> RandomChange:
    """Two square patches of `side` pixels, each anywhere within the image with the same probability."""

    def draw(shape: torch.Size, source: torch.Generator) -> Tensor:
        room = [length - side + 1 for length in shape[-2:]]
        return torch.stack([torch.randint(n, (shape[0], VIEWS), generator=source) for n in room], 2)

    def cut(x: Tensor, corner: Tensor) -> Tensor:
        along = torch.arange(side, device=x.device)
        rows, columns = (corner[:, :, k, None] + along for k in (0, 1))
        which = torch.arange(len(x), device=x.device)[:, None, None, None]
        found = x.permute(0, 2, 3, 1)[which, rows[:, :, :, None], columns[:, :, None, :]]
        return found.permute(0, 1, 4, 2, 3)

    return RandomChange(draw, cut)


def two_changes(change: Augmentation) -> RandomChange:
    """Each image changed twice, by draws of its own."""
    return views_of(change, change)


def views_of(*changes: Augmentation) -> RandomChange:
    """A view of each image by each of the changes, by draws of its own."""

    def draw(shape: torch.Size, source: torch.Generator) -> int:
        return int(torch.randint(2**62, (), generator=source))

    def apply(x: Tensor, seed: int) -> Tensor:
        return torch.stack([change(x, generator(derive(seed, view))) for view, change in enumerate(changes)], 1)

    return RandomChange(draw, apply)
