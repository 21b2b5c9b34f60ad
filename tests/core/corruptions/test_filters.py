import numpy as np
import pytest
from scipy.ndimage import zoom

from dlcli.core.corruptions.filters import clipped_zoom, disk_blur, motion_blur

IMAGES = np.random.default_rng(0).random((2, 3, 21, 21))


@pytest.mark.parametrize("factor", [1.0, 1.05, 1.26, 2.0, 2.25, 4.5])
def test_the_middle_is_enlarged_as_scipy_does(factor: float) -> None:
    side = IMAGES.shape[2]
    kept = int(np.ceil(side / factor))
    first = (side - kept) // 2
    middle = IMAGES[:, :, first : first + kept, first : first + kept]
    enlarged = np.stack([[zoom(one, factor, order=1) for one in image] for image in middle])
    trim = (enlarged.shape[2] - side) // 2
    assert np.allclose(clipped_zoom(IMAGES, factor), enlarged[:, :, trim : trim + side, trim : trim + side], atol=1e-12)


@pytest.mark.parametrize("angle", [-45.0, -10.0, 0.0, 30.0, 45.0, -90.0])
def test_motion_is_the_weighted_mean_along_a_line(angle: float) -> None:
    found = motion_blur(IMAGES, 4, 2.0, np.array([angle, angle]))
    weights = np.exp(-(np.arange(9) ** 2) / 8)
    weights /= weights.sum()
    side = IMAGES.shape[2]
    for row, column in [(0, 0), (10, 10), (20, 3)]:
        expected = 0.0
        for k, weight in enumerate(weights):
            down = int(np.ceil(k * np.sin(np.radians(angle)) - 0.5))
            right = int(np.ceil(k * np.cos(np.radians(angle)) - 0.5))
            expected += weight * IMAGES[1, 2, min(max(row + down, 0), side - 1), min(max(column + right, 0), side - 1)]
        assert found[1, 2, row, column] == pytest.approx(expected, abs=1e-12)


def test_a_line_that_leaves_the_picture_ends_there() -> None:
    small = IMAGES[:, :, :, :3]
    assert np.allclose(motion_blur(np.ones_like(small), 4, 100.0, np.zeros(2)), 3 / 9, atol=1e-3)


@pytest.mark.parametrize("radius", [0.3, 1.5, 3.0, 10.0])
def test_a_disk_keeps_the_sum_and_is_round(radius: float) -> None:
    dot = np.zeros((1, 1, 41, 41))
    dot[0, 0, 20, 20] = 1
    found = disk_blur(dot, radius, 0.5)[0, 0]
    # A disk above 8 pixels fills its kernel, whose mirrored rim then counts twice, as in the authors' code.
    assert found.sum() == pytest.approx(1, abs=0.012 if radius > 8 else 1e-9)
    assert np.allclose(found, found.T) and np.allclose(found, found[::-1])
    away = np.hypot(*(np.mgrid[:41, :41] - 20))
    assert (np.abs(found[away > radius + 3]) < 1e-12).all()
