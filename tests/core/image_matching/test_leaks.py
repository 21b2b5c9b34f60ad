"""Near duplicates between two sets: planted copies are found, other images are not."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from dlcli.core.image_matching.leaks import SMALL, duplicates_between
from tests.core.image_matching.scenes import scene

SIDE = 112
N = 15


def stacked(images: list[Image.Image], side: int = SIDE) -> torch.Tensor:
    arrays = [np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255


def copied(image: Image.Image, k: int) -> Image.Image:
    """A compressed, a mirrored or a cropped copy, in turn."""
    if k % 3 == 0:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="JPEG", quality=40)
        return Image.open(buffer)
    if k % 3 == 1:
        return ImageOps.mirror(image)
    width, height = image.size
    return image.crop((width // 20, height // 16, width - width // 20, height - height // 25))


def test_copies_are_found_and_others_are_not():
    scenes = [scene(k) for k in range(2 * N)]
    train, test = stacked(scenes[:N]), stacked([*(copied(one, k) for k, one in enumerate(scenes[:N])), *scenes[N:]])
    found = duplicates_between(test, train)
    assert found.first.tolist() == found.second.tolist() == list(range(N))
    as_bytes = duplicates_between((255 * test).round().byte(), (255 * train).round().byte())
    assert as_bytes.first.tolist() == list(range(N))


def test_small_crops_are_found_when_they_are_compressed_after():
    """Of 32 pixels compression leaves few keypoints as they were."""
    scenes = [scene(k) for k in range(4 * N)]
    train, half = stacked(scenes, 32), 2 * N
    small = [Image.fromarray((255 * one).round().byte().permute(1, 2, 0).numpy()) for one in train]
    crops = [one.crop((k % 5, 1, 27 + k % 5, 28)).resize((32, 32), Image.Resampling.BILINEAR) for k, one in enumerate(small)]
    copies = [copied(one, 0) for one in crops[:half]]
    found = duplicates_between(stacked([*copies, *small[half:]], 32), train[:half])
    assert (found.first == found.second).all() and found.first.max() < half
    assert len(found.first) >= 0.9 * half


def test_of_small_images_only_equal_and_mirrored_ones_count():
    source = torch.Generator().manual_seed(0)
    train = torch.rand(20, 1, SMALL - 1, SMALL - 1, generator=source)
    others = torch.rand(4, 1, SMALL - 1, SMALL - 1, generator=source)
    found = duplicates_between(torch.cat([train[[3, 7]], train[[5]] + 1e-3, train[[9]].flip(-1), others]), train)
    assert (found.first.tolist(), found.second.tolist()) == ([0, 1, 3], [3, 7, 9])


def rings(n: int, side: int = 32) -> torch.Tensor:
    """Rings that are a little out of round, each in ten ways of its own."""
    random, grid = np.random.default_rng(0), (np.arange(side) + 0.5) / side * 2 - 1
    radius, angle = np.hypot(grid[:, None], grid), np.arctan2(grid[:, None], grid)
    waves = np.stack([wave(k * angle) for k in range(2, 7) for wave in (np.cos, np.sin)])
    around = 0.6 + np.tensordot(random.normal(scale=0.03, size=(n, len(waves))), waves, 1)
    return torch.from_numpy(np.exp(-(((radius - around) / 0.12) ** 2))).float()[:, None]


def test_where_different_images_look_alike_only_copies_count():
    """Without regard to that, some of the others agree with one of the training images as copies do."""
    every, copies = rings(130), 30
    train, others = every[:60], every[60:]
    images = [Image.fromarray((255 * one[0]).round().byte().numpy()) for one in train[:copies]]
    changed = stacked([copied(one, k) for k, one in enumerate(images)], 32)[:, :1]
    found = duplicates_between(torch.cat([changed, others]), train)
    right = (found.first == found.second).sum()
    assert right >= 0.9 * copies
    assert right >= len(found.first) - 1


@pytest.mark.parametrize("n", [0, 3])
def test_plain_and_no_images(n: int):
    """Images without detail are duplicates where they are equal, and only there."""
    plain = torch.full((4, 3, 40, 40), 0.5)
    assert duplicates_between(plain[:n] * 0.9, plain).first.tolist() == []
    assert duplicates_between(plain[:n], plain).first.tolist() == list(range(n))
    assert duplicates_between(plain, plain[:0]).first.tolist() == []
