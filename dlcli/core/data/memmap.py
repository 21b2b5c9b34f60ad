"""Images that are too many for the memory: bytes in a file of the cache, of which the system reads what is asked for."""

import hashlib
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.support.errors import DlcliError, ResourceError
from dlcli.support.memory import check_disk, fits
from dlcli.support.paths import cache_dir

CHUNK = 64
"""How many images are in memory at a time where all are gone through."""

_NOT_HERE = "free some space, or name another place for the cache with XDG_CACHE_HOME; --size N or --limit N need less"


def folder() -> Path:
    """The folder of the cache where images are kept."""
    return cache_dir() / "images"


def open_memmap(file: Path | IO[bytes], shape: tuple[int, ...]) -> Tensor:
    """The bytes of `file` as uint8 images of `shape` (n, c, h, w); to be read only: writing to them ends the process."""
    if not prod(shape):
        return torch.empty(shape, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.memmap(file, np.uint8, "r", shape=shape))


def write_images(file: IO[bytes], images: Iterable[NDArray[np.uint8]]) -> tuple[int, str]:
    """Write images one after the other; how many they were, and the SHA-256 of them all."""
    number, digest = 0, hashlib.sha256()
    for image in images:
        file.write(image.data)
        digest.update(image.data)
        number += 1
    file.flush()
    return number, digest.hexdigest()


def concatenate(parts: Iterable[Tensor], shape: tuple[int, ...]) -> Tensor:
    """The uint8 images of all `parts`, of `shape` (n, c, h, w) together.

    They are in memory if they would fit there as floats too, else in a file of the cache that has no name and is gone when
    nothing uses it any more. Raises ResourceError if the disk does not hold them.
    """
    if fits(4 * prod(shape)):
        return torch.cat([torch.empty(0, *shape[1:], dtype=torch.uint8), *parts])
    with reserve_disk(prod(shape)), tempfile.TemporaryFile(dir=folder()) as file:
        write_images(file, (part.contiguous().numpy() for part in parts))
        return open_memmap(file, shape)


def select_rows(x: Tensor, rows: NDArray[np.intp]) -> Tensor:
    """The uint8 images `x[rows]`: a view where the rows follow each other, else `concatenate`."""
    if len(rows) and rows[0] >= 0 and (np.diff(rows) == 1).all():
        return x[rows[0] : rows[-1] + 1]
    return concatenate((x[part] for part in torch.from_numpy(rows).split(CHUNK)), (len(rows), *x.shape[1:]))


@contextmanager
def reserve_disk(needed: int) -> Iterator[None]:
    """See that the folder of the cache is there and has room for `needed` bytes; raise ResourceError naming it if not.

    So does an OSError in the block, which is left to those writes.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        check_disk(folder(), needed, "data that do not fit into memory", _NOT_HERE)
        yield
    except DlcliError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise ResourceError(f"{folder()}: cannot hold data that do not fit into memory ({reason})", hint=_NOT_HERE) from None
