"""Generated images against a model whose pixels are set by hand."""

import numpy as np
import torch
from scipy.stats import norm

from dlcli.core.semi_supervised.generate import generate
from dlcli.core.semi_supervised.m2 import M2Networks


def by_hand() -> M2Networks:
    """A model of 1x2x3 images: value 0 follows the first latent variable, value 1 the third, value 2 the class."""
    net = M2Networks(6, 3, hidden=4, latent=3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.of_image.weight[0, 0] = net.of_image.weight[1, 1] = 1.0
        net.posterior.weight[0, 0], net.posterior.weight[2, 1] = 3.0, 1.0  # means of the first and the third vary
        net.cause.weight[0, 0] = net.cause.weight[1, 2] = net.cause.weight[2, 3 + 2] = 1.0
        net.cause.bias[:2] = 100.0  # so that no ReLU cuts
        for value in range(3):
            net.pixels.weight[value, value] = 1.0
        net.pixels.bias[:2] = -100.0
    return net


def test_squares_show_what_the_decoder_makes():
    x, y = torch.rand(20, 1, 2, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
    found = generate(by_hand(), x, y, 5)
    assert found.variables == (0, 2)
    assert len(found.draws) == len(found.plane) == 3
    assert found.draws[0].shape == (1, 4 * 2, 4 * 3) and found.plane[0].shape == (1, 6 * 2, 6 * 3)
    levels = norm.ppf((np.arange(6) + 0.5) / 6)
    expected = 1 / (1 + np.exp(-levels))
    for label, square in enumerate(found.plane):
        np.testing.assert_allclose(square[0, ::2, ::3], np.repeat(expected[:, None], 6, 1), rtol=1e-4)
        np.testing.assert_allclose(square[0, ::2, 1::3], np.repeat(expected[None], 6, 0), rtol=1e-4)
        np.testing.assert_allclose(square[0, ::2, 2::3], 1 / (1 + np.exp(-float(label == 2))), rtol=1e-4)
    # The same vectors for each class, others from another seed.
    assert np.array_equal(found.draws[0], found.draws[1]) and not np.array_equal(found.draws[0], found.draws[2])
    assert not np.array_equal(found.draws[0], generate(by_hand(), x, y, 6).draws[0])
