import numpy as np
import pytest
import torch

from dlcli.core.explain.baselines import BASELINES, baseline
from tests.core.explain.networks import images


@pytest.mark.parametrize("name", BASELINES)
def test_a_grey_image_has_nothing_to_hide(name):
    x = torch.full((2, 3, 9, 6), 0.5)
    torch.testing.assert_close(baseline(x, name), x)


def test_the_mean_is_that_of_each_channel_of_each_image():
    x = images(3, channels=2)
    found = baseline(x, "mean").numpy()
    assert np.allclose(found, x.numpy().mean((2, 3), keepdims=True), atol=1e-6)
    assert found.shape == x.shape


def test_the_blur_spreads_a_point_and_keeps_its_sum():
    x = torch.zeros(1, 1, 41, 41)
    x[..., 20, 20] = 1
    found = baseline(x, "blur")[0, 0]
    # Five hundredths of 41 pixels.
    wide = 0.05 * 41
    at = np.arange(-20, 21)
    profile = np.exp(-(at**2) / (2 * wide**2))
    assert np.allclose(found.numpy(), np.outer(profile, profile) / profile.sum() ** 2, atol=1e-5)
