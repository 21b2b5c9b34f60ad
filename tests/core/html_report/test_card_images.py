"""Images on cards: pixels as they are, and a change whose opacity is its size."""

import io

import numpy as np
import pytest
from PIL import Image

from dlcli.core.html_report.card_images import card_image, difference_image


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize(("channels", "shape"), [(1, (4, 5)), (2, (4, 5)), (3, (4, 5, 3))])
def test_a_small_image_keeps_its_pixels(channels: int, shape: tuple[int, ...]):
    image = np.random.default_rng(0).integers(0, 256, (channels, 4, 5)).astype(np.float32) / 255
    made = card_image(image, alt="an image", line="7 → 7")
    assert made.small and (made.alt, made.line) == ("an image", "7 → 7") and pixels(made.png).shape == shape
    if channels != 2:
        assert np.array_equal(pixels(made.png), np.rint(255 * image.transpose(1, 2, 0)).reshape(shape))


def test_a_large_image_is_made_smaller():
    made = card_image(np.ones((3, 500, 1000), np.float32), alt="", line="")
    assert not made.small and pixels(made.png).shape == (104, 208, 3)


def test_a_change_is_red_or_blue_and_nothing_is_transparent():
    change = np.array([[[0.2, -0.2, 0.1, 0.0, 0.4]]])
    red, _, blue, opacity = np.moveaxis(pixels(difference_image(change, 0.2, alt="", line="").png)[0].astype(int), 1, 0)
    assert opacity.tolist() == [255, 255, 128, 0, 255]
    assert (red > blue).tolist() == [True, False, True, False, True]
    assert pixels(difference_image(0 * change, 0.0, alt="", line="").png)[..., 3].max() == 0
