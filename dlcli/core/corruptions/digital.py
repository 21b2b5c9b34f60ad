"""Digital: contrast, elastic deformation, pixelation and JPEG."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from dlcli.core.corruptions.base import Generators, Images, is_small

Array = NDArray[np.float64]
_LARGE = 244
"""The length to which the authors' settings of deformations for large images refer; for small ones it is the shorter side."""


def contrast(images: Images, kept: float, generators: Generators) -> Images:
    """Distances from the mean of each channel are multiplied by `kept`."""
    means: Array = images.mean((2, 3), keepdims=True)
    return (images - means) * kept + means


def elastic_transform(images: Images, setting: tuple[float, float, float], generators: Generators) -> Images:
    """A random affine map, then a shift of each pixel by a smooth random field.

    The setting, in units of a length: how far pixels are shifted, the standard deviation of the smoothing, and how far the
    three points move that fix the affine map.
    """
    rows, columns = images.shape[2:]
    unit = min(rows, columns) if is_small(rows, columns) else _LARGE
    shift, smooth, moved = (unit * part for part in setting)
    return np.stack([_deformed(image, shift, smooth, moved, one) for image, one in zip(images, generators, strict=True)])


def _deformed(image: Array, shift: float, smooth: float, moved: float, generator: np.random.Generator) -> Array:
    rows, columns = image.shape[1:]
    middle, side = np.array([rows, columns]) // 2, min(rows, columns) // 3
    points = np.array([middle + side, (middle[0] + side, middle[1] - side), middle - side], dtype=np.float64)
    mapped = points + generator.uniform(-moved, moved, points.shape)
    # Columns come first in a point; `back` maps a point of the result to where it was. Points of a tiny image coincide.
    known = np.column_stack([mapped, np.ones(3)])
    back = np.linalg.lstsq(known, points, rcond=None)[0] if side else np.vstack([np.eye(2), np.zeros((1, 2))])
    at_row, at_column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    places = np.stack([at_column, at_row, np.ones_like(at_row)], -1) @ back
    affine = np.stack([map_coordinates(one, (places[..., 1], places[..., 0]), order=1, mode="mirror") for one in image])
    right, down = (
        shift * gaussian_filter(generator.uniform(-1, 1, (rows, columns)), smooth, mode="reflect", truncate=3) for _ in range(2)
    )
    return np.stack([map_coordinates(one, (at_row + down, at_column + right), order=1, mode="reflect") for one in affine])


def pixelate(images: Images, share: float, generators: Generators) -> Images:
    """The picture is shrunk to `share` of its sides and enlarged again, without interpolation."""
    rows, columns = images.shape[2:]
    small = max(1, int(columns * share)), max(1, int(rows * share))

    def changed(channel: Array) -> Array:
        picture = _picture(channel).resize(small, Image.Resampling.BOX)
        return np.asarray(picture.resize((columns, rows), Image.Resampling.BOX), dtype=np.float64) / 255

    return np.stack([[changed(channel) for channel in image] for image in images])


def jpeg_compression(images: Images, quality: int, generators: Generators) -> Images:
    """The picture is compressed as JPEG of `quality`."""
    return np.stack([_compressed(image, quality) for image in images])


def _compressed(image: Array, quality: int) -> Array:
    grey = len(image) == 1
    picture = _picture(image[0] if grey else np.moveaxis(image, 0, 2))
    with BytesIO() as stream:
        picture.save(stream, "JPEG", quality=quality)
        with Image.open(stream, formats=("JPEG",)) as found:
            values = np.asarray(found, dtype=np.float64) / 255
    return values[None] if grey else np.moveaxis(values, 2, 0)


def _picture(values: Array) -> Image.Image:
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))
