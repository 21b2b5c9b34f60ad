"""Resampling by matrices, against sums by hand and constant images."""

import numpy as np
import pytest

from dlcli.core.image_matching.resampling import blurring_weights, halved, resampling_weights


def test_weights_keep_what_is_constant():
    ends = np.array([0.0, 0.3], np.float32), np.array([1.0, 0.8], np.float32)
    for weights in (resampling_weights(*ends, 12, 40), blurring_weights(12, 40, 1.5)[None]):
        np.testing.assert_allclose(weights.sum(2), 1, rtol=1e-5)


def test_as_many_samples_as_pixels_are_the_pixels():
    weights = resampling_weights(np.zeros(1, np.float32), np.ones(1, np.float32), 9, 9)[0]
    np.testing.assert_allclose(weights, np.eye(9), atol=1e-5)


def test_a_line_is_sampled_at_the_middles():
    line = np.arange(100, dtype=np.float32) + 0.5  # the value of a pixel is its middle
    weights = resampling_weights(np.float32([0.2]), np.float32([0.6]), 10, 100)[0]
    np.testing.assert_allclose(weights @ line, 20 + 4 * (np.arange(10) + 0.5), atol=1e-3)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.3, 0.35), (-0.2, 0.9), (0.6, 1.4), (-1.0, 2.0)])
@pytest.mark.parametrize("pixels", [5, 64, 128])
@pytest.mark.parametrize("samples", [1, 16, 48, 200])
def test_weights_are_triangles(samples: int, pixels: int, ends: tuple[float, float]):
    """As wide as a sample or a pixel; beyond an end its last pixel counts. Other lines beside it change nothing."""
    low, high = np.float32([ends[0], 0, 0]), np.float32([ends[1], 1, 4])
    step = (ends[1] - ends[0]) * pixels / samples
    centres = np.clip(ends[0] * pixels + step * (np.arange(samples) + 0.5), 0.5, pixels - 0.5)
    exact = np.maximum(1 - np.abs(np.arange(pixels) + 0.5 - centres[:, None]) / max(step, 1), 0)
    found = resampling_weights(low, high, samples, pixels)[0]
    np.testing.assert_allclose(found, exact / exact.sum(1, keepdims=True), atol=1e-4)
    np.testing.assert_allclose(found, resampling_weights(low[:1], high[:1], samples, pixels)[0], rtol=1e-6)


def test_pixels_of_half_the_size_are_means_of_four():
    grey = np.array([[[1, 3, 0, 255], [5, 7, 255, 255]], [[0, 0, 9, 9], [0, 2, 9, 9]]], np.uint8)
    np.testing.assert_array_equal(halved(grey), [[[4, 191]], [[0, 9]]])


@pytest.mark.parametrize("sigma", [0.5, 1.2, 2.0, 5.0])
@pytest.mark.parametrize("samples", [8, 33, 80, 128])
def test_weights_that_count_for_nothing_are_zero(samples: int, sigma: float):
    """Products with subnormal numbers are slow."""
    weights = blurring_weights(samples, 128, sigma)
    assert (weights[weights != 0] >= np.finfo(np.float32).tiny / np.finfo(np.float32).eps).all()
    apart = (np.arange(128) + 0.5) * samples / 128 - (np.arange(samples)[:, None] + 0.5)
    exact = np.exp(-0.5 * (apart / sigma) ** 2)
    np.testing.assert_allclose(weights, exact / exact.sum(1, keepdims=True), atol=1e-7)
