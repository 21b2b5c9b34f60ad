"""Changes of whole batches against torchvision's own transforms, which take one image at a time: the same bits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from dlcli.core.compute.loader import channels_last
from dlcli.core.compute.rng import generator
from dlcli.core.training import torchvision_changes
from dlcli.core.training.torchvision_changes import TORCHVISION, torchvision_change

BILINEAR = v2.InterpolationMode.BILINEAR
TRANSFORMS = {
    "rotate": v2.RandomRotation(15, BILINEAR),
    "affine": v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation=BILINEAR),
    "erase": v2.RandomErasing(),
    "color-jitter": v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "blur": v2.GaussianBlur(3, (0.1, 1.0)),
}


def _by_torchvision(name, x, source):
    """One image (c, h, w), or the frames (t, c, h, w) of one clip, after the other."""
    images = x if x.dim() == 4 else x.transpose(1, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=source)))
        changed = torch.stack([TRANSFORMS[name](image) for image in images]).clamp(0, 1)
    return changed if x.dim() == 4 else changed.transpose(1, 2)


def _by_us(name, x, source):
    change = torchvision_change(name, tuple(x.shape[-2:]))
    return change.apply(x, change.draw(x.shape, source))


def _assert_same(name, x, seed):
    sources = generator(seed), generator(seed)
    found, expected = _by_us(name, x, sources[0]), _by_torchvision(name, x, sources[1])
    assert torch.equal(found, expected)
    assert found.stride() == expected.stride()  # on which the choice of an algorithm depends, and so the last bit of weights
    assert torch.equal(*(torch.rand(3, generator=source) for source in sources))


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
@given(
    n=st.integers(1, 20),
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    seed=st.integers(0, 10**6),
    plain=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_images_are_those_of_torchvision(name, n, channels, size, seed, plain):
    x = torch.rand(n, channels, *size, generator=generator(seed))
    _assert_same(name, x if plain else channels_last(x), seed)


@pytest.mark.parametrize("name", ["rotate", "affine", "erase"])
@pytest.mark.parametrize("size", [(4, 300), (224, 224), (2, 2), (1, 7)])
def test_so_are_large_small_and_narrow_images(name, size):
    _assert_same(name, torch.rand(6, 3, *size, generator=generator(0)), 4)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
@given(n=st.integers(1, 5), channels=st.sampled_from([1, 3]), frames=st.integers(1, 4), seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_so_are_clips(name, n, channels, frames, seed):
    _assert_same(name, torch.rand(n, channels, frames, 9, 14, generator=generator(seed)), seed)


def test_an_angle_of_0_leaves_the_image_as_it_is(monkeypatch):
    """torchvision does not interpolate then; one angle of 2**24 is."""
    angles = iter([0.0, 5.0, 0.0])
    monkeypatch.setattr(v2.RandomRotation, "make_params", lambda transform, inputs: {"angle": next(angles)})
    x = torch.rand(3, 3, 9, 14, generator=generator(0))
    found = _by_us("rotate", x, generator(0))
    assert torch.equal(found[0], x[0])
    assert torch.equal(found[2], x[2])
    assert torch.equal(found[1], v2.functional.rotate(x[1], 5.0, BILINEAR, fill=0))


def test_an_image_that_no_rectangle_fits_stays_as_it_is():
    """A rectangle must be lower and narrower than the image."""
    x = torch.rand(40, 1, 1, 1, generator=generator(0))
    assert torch.equal(_by_us("erase", x, generator(0)), x)


@pytest.mark.parametrize("name", sorted(TORCHVISION))
def test_a_draw_is_applied_the_same_way_whatever_was_drawn_since(name):
    """And neither step changes the global generator."""
    x, before = torch.rand(5, 3, 12, 12, generator=generator(0)), torch.get_rng_state()
    change = torchvision_change(name, (12, 12))
    draw = change.draw(x.shape, generator(1))
    first = change.apply(x, draw)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        assert torch.equal(change.apply(x, draw), first)
    assert not torch.equal(first, x)


def test_images_of_a_batch_are_changed_in_a_few_calls(monkeypatch):
    """Not in some for each image."""
    calls, plain = [], torch.nn.functional.grid_sample
    monkeypatch.setattr(torchvision_changes.F, "grid_sample", lambda *args, **kwargs: calls.append(0) or plain(*args, **kwargs))
    _by_us("rotate", torch.rand(30, 3, 8, 8), generator(0))
    assert len(calls) == 1
