"""Metadata of images in a .npz archive: arrays with one value per example besides the labels."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy

from dlcli.core.data.base import Array

ARCHIVE_ERRORS: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError),
    *(NotImplementedError, RuntimeError, OverflowError),  # of a member that is compressed in another way, or encrypted
)
"""What reading a damaged .npz, or another zip archive, raises."""
_KINDS = "biufSUM"
"""Booleans, integers, floats, bytes, text and times; not Python objects, which would have to be unpickled."""


class _Header(NamedTuple):
    """Shape and kind (of the dtype) of an array; kind `V` also for what cannot be a column."""

    shape: tuple[int, ...]
    kind: str


def members(archive: "np.lib.npyio.NpzFile") -> zipfile.ZipFile:
    """The zip archive below an open .npz."""
    if archive.zip is None:
        raise ValueError("the archive is closed")
    return archive.zip


def columns(archive: "np.lib.npyio.NpzFile", images: list[str]) -> list[str]:
    """The names of the arrays that hold a plain value per example, found by their headers.

    `images` names the arrays of images and labels.
    """
    lengths = {_header(archive, key).shape[:1] for key in images}
    others = {key: _header(archive, key) for key in archive.files if key not in images}
    return [key for key, (shape, kind) in others.items() if shape in lengths and kind in _KINDS]


def shape_of(archive: "np.lib.npyio.NpzFile", key: str) -> tuple[int, ...]:
    """The shape of an array, read from its header; empty for what is not an array."""
    return _header(archive, key).shape


def _header(archive: "np.lib.npyio.NpzFile", key: str) -> _Header:
    """Read the header of an array without its values; `V` for what is not an array or has named fields."""
    if f"{key}.npy" not in members(archive).namelist():
        return _Header((), "V")
    with members(archive).open(f"{key}.npy") as file:
        version = npy.read_magic(file)
        if version > (2, 0):
            return _Header((), "V")
        shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    return _Header(shape, dtype.kind)


def metadata_of(arrays: Mapping[str, Array], y: str) -> dict[str, Array]:
    """The columns that belong to the labels `y`, by their names without the suffix of the set."""
    return {name: arrays[key] for name, key in _names(arrays, y) if len(arrays[key]) == len(arrays[y])}


def _names(arrays: Mapping[str, Array], y: str) -> Iterator[tuple[str, str]]:
    """Pairs of name and key. For `y_test`, `hour_test` comes after `hour`, so that it takes precedence."""
    ending = y.removeprefix("y")
    others = [key for key in arrays if key[:2] not in ("x_", "y_") and key not in ("x", "y")]
    if ending in ("", "_test"):
        yield from ((key, key) for key in others)
    if ending:
        yield from ((key.removesuffix(ending), key) for key in others if key.endswith(ending) and key != ending)
