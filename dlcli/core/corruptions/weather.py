"""Weather: snow, frost, fog and brightness."""

import numpy as np
from numpy.typing import NDArray

from dlcli.core.corruptions.base import Generators, Images, drawn
from dlcli.core.corruptions.filters import clipped_zoom, motion_blur

Array = NDArray[np.float64]
_LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to grey (ITU-R BT.601)."""
_ICE = (0.89, 1.03, 1.08)
"""The tint of ice, whose mean over the channels is 1."""
_LEVEL, _DEPTH, _GRAIN = (0.48, 0.81), 0.1, 0.3
"""Of the ice: the mean brightness of a pane is drawn between the first two, its standard deviation, and how much of that is
grain; about those of the authors' five photographs."""


def snow(images: Images, setting: tuple[float, float, float, float, int, float, float], generators: Generators) -> Images:
    """Flakes in motion before a paler picture.

    The setting: mean and standard deviation of a normal layer, by how much it is enlarged, the level below which it is cleared,
    radius and standard deviation of its motion, and the weight of the picture against its paler copy.
    """
    mean, spread, enlarged, least, radius, sigma, weight = setting
    rows, columns = images.shape[2:]
    layer = drawn(generators, lambda one: one.normal(mean, spread, (rows, columns)))[:, None]
    layer = clipped_zoom(layer, enlarged)
    layer = np.clip(np.where(layer < least, 0, layer), 0, 1)
    degrees = drawn(generators, lambda one: np.asarray(one.uniform(-135, -45)))
    layer = np.rint(motion_blur(layer, radius, sigma, degrees) * 255) / 255
    paler = weight * images + (1 - weight) * np.maximum(images, grey(images) * 1.5 + 0.5)
    return paler + layer + layer[:, :, ::-1, ::-1]


def grey(images: Images) -> Images:
    """The grey picture (n, 1, rows, columns) of one or of three channels."""
    return images if images.shape[1] == 1 else np.einsum("nchw,c->nhw", images, _LUMA)[:, None]


def frost(images: Images, setting: tuple[float, float], generators: Generators) -> Images:
    """Ice on a pane; the setting is the weight of the picture and that of the ice.

    The authors paste photographs of frost. Here the ice is drawn: ridges of fractal noise, as the needles of crystals, where
    a second fractal is thick.
    """
    weight, ice = setting
    size = images.shape[2:]
    layers = drawn(generators, lambda one: _ice(size, one))[:, None]
    tint: Array = np.array(_ICE if images.shape[1] == 3 else (1.0,)).reshape(-1, 1, 1)
    return weight * images + ice * layers * tint


def _ice(size: tuple[int, int], generator: np.random.Generator) -> Array:
    """One pane, (rows, columns) in [0, 1]."""
    needles = 1 - np.abs(2 * _crop(plasma(_map_size(size), 1.6, generator), size) - 1)
    cover = _crop(plasma(_map_size(size), 2.2, generator), size)
    texture = cover + needles**3
    texture = (texture - texture.mean()) / max(texture.std(), 1e-9) + _GRAIN * generator.normal(size=size)
    return np.asarray(np.clip(generator.uniform(*_LEVEL) + _DEPTH * texture, 0, 1))


def fog(images: Images, setting: tuple[float, float], generators: Generators) -> Images:
    """A fractal is added and the picture darkened; the setting is its weight, and by what its detail decays."""
    weight, decay = setting
    size = images.shape[2:]
    layer = drawn(generators, lambda one: _crop(plasma(_map_size(size), decay, one), size))[:, None]
    largest: Array = images.max((1, 2, 3), keepdims=True)
    return (images + weight * layer) * largest / (largest + weight)


def brightness(images: Images, more: float, generators: Generators) -> Images:
    """The value of hue, saturation and value is increased by `more`."""
    value: Array = images.max(1, keepdims=True)
    brighter: Array = np.minimum(value + more, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(value > 0, images / value * brighter, brighter))


def _map_size(size: tuple[int, int]) -> int:
    return 1 << (max(*size, 2) - 1).bit_length()


def _crop(values: Array, size: tuple[int, int]) -> Array:
    return values[: size[0], : size[1]]


def plasma(size: int, decay: float, generator: np.random.Generator) -> Array:
    """A fractal landscape on a torus by the diamond-square algorithm (Fournier et al. 1982, CACM 25(6)).

    Args:
        size: The length of a side, a power of 2, at least 2.
        decay: By what the heights of details shrink from one scale to the next finer one.
        generator: The source of random numbers.

    Returns:
        Heights (size, size), scaled to [0, 1].
    """
    found = np.zeros((size, size))
    step, rough = size, 100.0

    def middle(of_four: Array, rough: float) -> Array:
        return of_four / 4 + rough * generator.uniform(-rough, rough, of_four.shape)

    while step >= 2:
        half = step // 2
        corners = found[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        found[half::step, half::step] = middle(pairs + np.roll(pairs, -1, 1), rough)
        centres = found[half::step, half::step]
        found[::step, half::step] = middle(centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1), rough)
        found[half::step, ::step] = middle(centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0), rough)
        step, rough = half, rough / decay
    found -= found.min()
    largest = found.max()
    return found / largest if largest else found
