"""Colour to grey and back."""

import numpy as np
import pytest
import torch
from PIL import Image

from dlcli.core.data.base import Split, data_from_splits
from dlcli.core.data.channels import with_channels
from dlcli.support.errors import InputError


def data(x):
    empty = Split(x[:0], torch.zeros(0, dtype=torch.int64))
    return data_from_splits({"train": empty, "test": Split(x, torch.zeros(len(x), dtype=torch.int64))}, ("a", "b"), "data")


def test_grey_is_what_pillow_makes_of_the_picture():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
    grey = with_channels(data(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255), 1)
    expected = np.stack([np.asarray(Image.fromarray(one).convert("L")) for one in pixels]).astype(int)
    assert (grey.channels, grey.x_test.shape) == (1, (2, 1, 9, 7))
    assert np.abs((grey.x_test[:, 0] * 255).round().int().numpy() - expected).max() <= 1  # Pillow rounds in fixed point


def test_grey_clips_become_clips_in_colour_and_grey_again():
    clips = torch.rand(2, 1, 3, 4, 4).mul(255).round().div(255)
    colour = with_channels(data(clips), 3)
    assert colour.x_test.shape == (2, 3, 3, 4, 4)
    torch.testing.assert_close(with_channels(colour, 1).x_test, clips)


@pytest.mark.parametrize(("has", "wanted"), [(3, 3), (1, 1), (4, 3), (3, 2)])
def test_other_channels_are_left_alone(has, wanted):
    images = data(torch.rand(2, has, 4, 4))
    assert with_channels(images, wanted) is images


def test_streamed_images_are_refused():
    streamed = data(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(InputError, match="the network takes 1 channel, and these have 3"):
        with_channels(streamed, 1)
