"""Single corruptions beside what they are defined as."""

import colorsys

import numpy as np
import pytest

from dlcli.core.corruptions.blur import _origins
from dlcli.core.corruptions.digital import contrast, elastic_transform, pixelate
from dlcli.core.corruptions.weather import brightness, grey, plasma

IMAGES = np.random.default_rng(1).random((2, 3, 16, 16))
GENERATORS = [np.random.default_rng(k) for k in range(2)]


@pytest.mark.parametrize("seed", range(5))
def test_colours_move_as_if_pixels_were_replaced_one_by_one(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    side, reach = 12, 2
    rows = np.arange(side - reach, reach, -1)
    places = (rows[:, None] * side + rows).ravel()
    shift = drawn.integers(-reach, reach, size=(len(places), 2))
    sources = places + shift[:, 1] * side + shift[:, 0]
    expected = np.arange(side * side)
    for place, source in zip(places, sources, strict=True):
        expected[place] = expected[source]
    assert np.array_equal(_origins(places, sources, side * side), expected)


def test_brightness_adds_to_the_value_of_hsv() -> None:
    images = IMAGES.copy()
    images[0, :, 0, 0] = 0
    found = brightness(images, 0.2, GENERATORS)
    for place in [(0, 0, 0), (0, 3, 4), (1, 15, 2)]:
        n, row, column = place
        hue, saturation, value = colorsys.rgb_to_hsv(*images[n, :, row, column])
        assert found[n, :, row, column] == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(value + 0.2, 1)), abs=1e-12)


def test_contrast_keeps_means_and_shrinks_distances() -> None:
    found = contrast(IMAGES, 0.4, GENERATORS)
    assert np.allclose(found.mean((2, 3)), IMAGES.mean((2, 3)))
    assert np.allclose(found.std((2, 3)), 0.4 * IMAGES.std((2, 3)))


def test_pixels_are_means_of_blocks() -> None:
    levels = np.rint(IMAGES * 255) / 255
    blocks = levels.reshape(2, 3, 8, 2, 8, 2).mean((3, 5)).repeat(2, 2).repeat(2, 3)
    assert (
        np.abs(pixelate(levels, 0.5, GENERATORS) - blocks).max() <= 1.01 / 255
    )  # rows and columns are rounded one after the other


def test_no_deformation_is_the_identity() -> None:
    assert np.allclose(elastic_transform(IMAGES, (0, 0.2, 0), GENERATORS), IMAGES)


def test_grey_keeps_grey() -> None:
    same = np.repeat(IMAGES[:, :1], 3, 1)
    assert np.allclose(grey(same), IMAGES[:, :1])
    assert grey(IMAGES[:, :1]) is not IMAGES and np.array_equal(grey(IMAGES[:, :1]), IMAGES[:, :1])


@pytest.mark.parametrize("size", [2, 8, 64])
def test_a_fractal_reaches_from_0_to_1(size: int) -> None:
    found = plasma(size, 2.0, np.random.default_rng(0))
    assert found.shape == (size, size) and found.min() == 0 and found.max() == 1


def test_a_fractal_of_faster_decay_is_smoother() -> None:
    def roughness(decay: float) -> float:
        found = [plasma(64, decay, np.random.default_rng(k)) for k in range(10)]
        return float(np.mean([np.abs(np.diff(one, axis=0)).mean() for one in found]))

    assert roughness(3.0) < roughness(2.0) < roughness(1.4)
