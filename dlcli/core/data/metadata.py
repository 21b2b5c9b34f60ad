"""Facts about images in a .npz: columns that stand beside the labels."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.lib import format as npy

from dlcli.core.data.base import Array

_KINDS = "biufSUM"
"""Booleans, integers, floats, bytes, text and times; Python objects would have to be unpickled."""


def columns(archive: "np.lib.npyio.NpzFile", images: list[str]) -> list[str]:
    """The arrays, found by their headers, with a plain value for each of the examples whose `images` and labels are these."""
    lengths = {_header(archive, key)[0][:1] for key in images}
    others = {key: _header(archive, key) for key in archive.files if key not in images}
    return [key for key, (shape, kind) in others.items() if shape in lengths and kind in _KINDS]


def _header(archive: "np.lib.npyio.NpzFile", key: str) -> tuple[tuple[int, ...], str]:
    """Shape and kind of an array; `V`, which is no kind of a column's, for what is no array or one of named fields."""
    if f"{key}.npy" not in archive.zip.namelist():
        return (), "V"
    with archive.zip.open(f"{key}.npy") as file:
        version = npy.read_magic(file)
        if version > (2, 0):
            return (), "V"
        shape, _, kind = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    return shape, kind.kind


def metadata_of(arrays: Mapping[str, Array], y: str) -> dict[str, Array]:
    """The columns beside the labels `y`, by their names without the name of the set; one of another length is none of them."""
    return {name: arrays[key] for name, key in _names(arrays, y) if len(arrays[key]) == len(arrays[y])}


def _names(arrays: Mapping[str, Array], y: str) -> Iterator[tuple[str, str]]:
    """Name and key; of `hour` and `hour_test` beside `y_test` the second comes last, and so stands."""
    ending = y.removeprefix("y")
    others = [key for key in arrays if key[:2] not in ("x_", "y_") and key not in ("x", "y")]
    if ending in ("", "_test"):
        yield from ((key, key) for key in others)
    if ending:
        yield from ((key.removesuffix(ending), key) for key in others if key.endswith(ending) and key != ending)
