"""Augmentations: shape, range, independent draws per image, and no use of the global generator."""

import pytest
import torch
from scipy.stats import binomtest, chisquare

from dlcli.core.compute.rng import generator
from dlcli.core.training.augment import augmentation, names
from dlcli.specs.shared import AUGMENTATIONS
from dlcli.support.errors import InputError, UsageError

SIZE = (16, 12)


def _images(n=8, channels=3):
    return torch.rand(n, channels, *SIZE, generator=generator(0))


def _run(name, x, seed=1):
    chosen = [name] if isinstance(name, str) else name
    return augmentation(chosen, SIZE)(x, generator(seed))


def test_the_help_lists_all_of_them():
    assert names() == tuple(AUGMENTATIONS)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", names())
def test_shape_range_and_reproducibility(name, channels):
    x = _images(channels=channels)
    before, state = x.clone(), torch.get_rng_state()
    found = _run(name, x)
    assert found.shape == x.shape
    assert found.dtype == torch.float32
    assert 0 <= found.min() <= found.max() <= 1
    assert torch.equal(found, _run(name, x))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", names())
def test_each_image_and_each_batch_has_independent_draws(name):
    x = _images(1).expand(40, -1, -1, -1)
    source = generator(2)
    run = augmentation([name], SIZE)
    first, second = run(x, source), run(x, source)
    assert len({image.numpy().tobytes() for image in first.contiguous()}) > 1
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("name", "axis"), [("horizontal-flip", 3), ("vertical-flip", 2)])
def test_a_flip_is_its_own_inverse_and_affects_half_the_images(name, axis):
    x = torch.rand(1000, 1, *SIZE, generator=generator(0))
    once = _run(name, x)
    assert torch.equal(_run(name, once), x)
    turned = (once == x.flip(axis)).flatten(1).all(1)
    assert torch.equal(once[~turned], x[~turned])
    assert binomtest(int(turned.sum()), 1000, 0.5).pvalue > 1e-4


@pytest.mark.parametrize(("name", "pad"), [("crop", (4, 4)), ("shift", (2, 1))])
def test_a_crop_is_a_uniformly_drawn_window_of_the_padded_image(name, pad):
    n = 4000
    x = _images(1, channels=1).expand(n, -1, -1, -1)
    found = _run(name, x)
    padded = torch.nn.functional.pad(x[:1], (pad[1], pad[1], pad[0], pad[0]))
    windows = padded.unfold(2, SIZE[0], 1).unfold(3, SIZE[1], 1).reshape(-1, 1, *SIZE)  # all there are
    which = (found[:, None] == windows[None]).flatten(2).all(2)
    assert (which.sum(1) == 1).all()
    assert len(windows) == (2 * pad[0] + 1) * (2 * pad[1] + 1)
    assert chisquare(which.sum(0).numpy()).pvalue > 1e-4


def test_a_chain_applies_its_augmentations_in_order():
    x, source = _images(), generator(5)
    expected = augmentation(["crop"], SIZE)(x, source)
    expected = augmentation(["horizontal-flip"], SIZE)(expected, source)
    assert torch.equal(_run(["crop", "horizontal-flip"], x, seed=5), expected)


def test_erasing_blackens_one_rectangle_only():
    x = _images(50).clamp(min=0.1)
    found = _run("erase", x)
    for before, after in zip(x, found, strict=True):
        changed = (before != after).all(0)
        assert torch.equal(before[:, ~changed], after[:, ~changed])
        assert (after[:, changed] == 0).all()
        rows, columns = changed.any(1).nonzero()[:, 0], changed.any(0).nonzero()[:, 0]
        assert int(changed.sum()) == len(rows) * len(columns)


def test_color_jitter_of_one_channel_keeps_uniform_images_uniform():
    flat = torch.full((20, 1, *SIZE), 0.5)
    found = _run("color-jitter", flat)
    assert (found.amax((1, 2, 3)) - found.amin((1, 2, 3)) < 1e-6).all()
    assert len({float(image.mean()) for image in found}) > 1


def test_no_augmentation_gives_none():
    assert augmentation([], SIZE) is None


@pytest.mark.parametrize(
    ("chosen", "message", "hint"),
    [
        (["horizontal-flop"], "no augmentation is called 'horizontal-flop'", "did you mean horizontal-flip?"),
        (["crop", "xyz"], "called 'xyz'", "choose from affine, auto"),
        (["crop", "crop"], "'crop' is given twice", ""),
    ],
)
def test_unknown_or_repeated_names_are_usage_errors(chosen, message, hint):
    with pytest.raises(UsageError, match=message) as caught:
        augmentation(chosen, SIZE)
    assert hint in caught.value.hint


def test_augmentations_of_colour_images_require_1_or_3_channels():
    x = torch.rand(3, 2, *SIZE)
    assert _run(["crop", "vertical-flip"], x).shape == x.shape
    with pytest.raises(InputError, match="'trivial' is for images of 1 or 3 channels; these have 2"):
        _run("trivial", x)


@pytest.mark.parametrize("name", names())
def test_an_empty_batch_stays_empty(name):
    assert _run(name, torch.empty(0, 3, *SIZE)).shape == (0, 3, *SIZE)


@pytest.mark.parametrize("name", names())
def test_all_frames_of_a_clip_are_changed_alike(name):
    """A clip of one picture shown again and again stays one, and its frames are what the picture becomes."""
    x = _images(12)
    still = x[:, :, None].expand(-1, -1, 3, -1, -1)
    found = _run(name, still)
    assert found.shape == still.shape
    assert (found - found[:, :, :1]).abs().max() < 1e-6
    assert not torch.equal(found, still)
    assert torch.allclose(found[:, :, 0], _run(name, x), atol=1e-6)


def test_a_flip_of_a_clip_flips_each_frame():
    clips = torch.rand(6, 3, 4, *SIZE, generator=generator(5))
    found = _run("horizontal-flip", clips)
    assert all(torch.equal(one, clip) or torch.equal(one, clip.flip(3)) for one, clip in zip(found, clips, strict=True))
