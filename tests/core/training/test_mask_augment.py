"""Changes of images move their masks with them: to the nearest pixel, and void where nothing was."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dlcli.core.training.augment import names
from dlcli.core.training.mask_augment import mask_augmentation, windows
from dlcli.support.errors import UsageError

SIZE = (20, 28)
FIXED = ("auto", "rand", "trivial")


def scenes(n: int = 6) -> tuple[Tensor, Tensor]:
    """Images whose grey level is the label of each pixel over 10, in blocks."""
    source = torch.Generator().manual_seed(4)
    masks = torch.randint(1, 5, (n, 5, 7), generator=source).repeat_interleave(4, 1).repeat_interleave(4, 2)
    return (masks.float() / 10)[:, None].repeat(1, 3, 1, 1), masks.to(torch.uint8)


def changed(chosen: tuple[str, ...], window: tuple[int, int] | None = None, n: int = 6) -> tuple[Tensor, Tensor]:
    x, y = scenes(n)
    found = mask_augmentation(chosen, SIZE, window)
    assert found is not None
    ((draws),) = found.draw_ahead([x.shape], [torch.Generator().manual_seed(9)], torch.device("cpu"))
    return found.change(x, y, draws)


@pytest.mark.parametrize("name", ["horizontal-flip", "vertical-flip", "crop", "shift"])
@pytest.mark.parametrize("window", [None, (12, 16)])
def test_what_moves_pixels_exactly_moves_masks_exactly(name: str, window: tuple[int, int] | None):
    x, y = changed((name,), window)
    grey = (x[:, 0] * 10).round().to(torch.uint8)
    assert torch.equal(torch.where(y == 255, 0, y), grey)  # black beside the image, and void in the mask
    assert ((y == 255) == (grey == 0)).all()
    if window is not None:
        assert x.shape[-2:] == y.shape[-2:] == window


@pytest.mark.parametrize("name", ["rotate", "affine", "resized-crop"])
def test_what_interpolates_agrees_where_blocks_do_not_meet(name: str):
    x, y = changed((name,))
    assert set(y.unique().tolist()) <= {1, 2, 3, 4, 255}
    level = x[:, 0] * 10
    flat = (level - level.round()).abs() < 1e-3
    inside = flat & (y != 255) & (level > 0.5)
    assert inside.float().mean() > 0.2
    assert (level.round()[inside] == y[inside]).float().mean() > 0.98  # a corner of two equal blocks may be flat as well


@pytest.mark.parametrize("name", ["color-jitter", "blur", "erase"])
def test_what_moves_no_pixel_leaves_masks_alone(name: str):
    x, y = changed((name,))
    before, masks = scenes()
    assert torch.equal(y, masks) and not torch.equal(x, before)


def test_every_augmentation_is_known_to_move_masks_or_refused():
    for name in names():
        if name in FIXED:
            with pytest.raises(UsageError, match=f"`augment`: {name} moves pixels in ways that masks cannot follow"):
                mask_augmentation((name,), SIZE, None)
        else:
            changed((name,))
    assert mask_augmentation((), SIZE, None) is None


def test_windows_lie_inside_each_picture_and_reach_every_place():
    x, y = scenes(200)
    y[::2, :, 20:] = 254  # pictures of 20 columns
    y[::2, 14:] = 254
    corners = torch.rand(200, 2, generator=torch.Generator().manual_seed(1))
    images, masks = windows(x, y, corners, (12, 16))
    assert images.shape == (200, 3, 12, 16) and (masks != 254).all()
    assert torch.equal((images[:, 0] * 10).round().to(torch.uint8), masks)
    _, padded = windows(x[:1], y[:1], corners[:1], (18, 24))
    assert (padded[0, 14:] == 254).all() and (padded[0, :14, :20] != 254).all()
    ends = torch.tensor([[0.0, 0.0], [0.999, 0.999]])
    places: Any = torch.arange(20 * 28, dtype=torch.float32).view(1, 1, 20, 28).repeat(2, 1, 1, 1)
    corner, other = windows(places, y[1:2].repeat(2, 1, 1), ends, (12, 16))[0][:, 0]
    assert (corner[0, 0], other[-1, -1]) == (0, 20 * 28 - 1)
