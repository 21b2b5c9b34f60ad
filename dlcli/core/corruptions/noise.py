"""Noise: Gaussian (low light), shot (the discreteness of light) and impulse (bit errors)."""

import numpy as np

from dlcli.core.corruptions.base import Generators, Images, channels_first, drawn, last_channels


def gaussian_noise(images: Images, scale: float, generators: Generators) -> Images:
    """A normal value of standard deviation `scale` is added to each value."""
    shape = last_channels(images)
    return images + scale * channels_first(drawn(generators, lambda one: one.normal(size=shape)))


def shot_noise(images: Images, photons: float, generators: Generators) -> Images:
    """Each value becomes a Poisson count with the mean `photons` times the value, divided by `photons`."""
    means = np.moveaxis(images, 1, 3) * photons
    counts = np.stack([one.poisson(mean) for one, mean in zip(generators, means, strict=True)])
    return channels_first(counts) / photons


def impulse_noise(images: Images, amount: float, generators: Generators) -> Images:
    """A share `amount` of all values becomes 0 or 1, with equal probability."""
    shape = last_channels(images)
    hit, white = (channels_first(drawn(generators, lambda one: one.random(size=shape))) for _ in range(2))
    return np.where(hit <= amount, (white <= 0.5).astype(np.float64), images)
