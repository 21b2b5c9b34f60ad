"""Images that do not fit into memory: bytes in a file of the cache that is mapped into memory and read on demand."""

import hashlib
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.support.errors import DlcliError, ResourceError
from dlcli.support.memory import check_disk, fits
from dlcli.support.paths import cache_dir

CHUNK = 64
"""Number of images in memory at a time while all are processed."""

_DISK_HINT = "free some space, set XDG_CACHE_HOME to another disk, or use a smaller `size=N` or `limit=N`"


def folder() -> Path:
    """The folder of the cache that holds decoded images."""
    return cache_dir() / "images"


def open_memmap(file: Path | IO[bytes], shape: tuple[int, ...]) -> Tensor:
    """Map the bytes of `file` as a read-only uint8 tensor of `shape` (n, c, h, w); writing to it crashes the process."""
    # A mapped file costs address space, not memory: the system reads a page when it is touched and drops it when memory is
    # needed elsewhere. Worker processes that map the same file share its pages. An empty file cannot be mapped.
    if not prod(shape):
        return torch.empty(shape, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.memmap(file, np.uint8, "r", shape=shape))


class WrittenImages(NamedTuple):
    """Number of images written to a file, and the SHA-256 of their bytes."""

    number: int
    sha256: str


def write_images(file: IO[bytes], images: Iterable[NDArray[np.uint8]]) -> WrittenImages:
    """Write images to `file` one after the other, with only one in memory at a time."""
    number, digest = 0, hashlib.sha256()
    for image in images:
        file.write(image.data)
        digest.update(image.data)
        number += 1
    file.flush()
    return WrittenImages(number, digest.hexdigest())


def concatenate(parts: Iterable[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Concatenate `parts` of uint8 images to a tensor of `shape` (n, c, h, w).

    It is in memory if it would fit there as floats too, else mapped from a temporary file. Raises ResourceError if the disk
    has no room for it.
    """
    if fits(4 * prod(shape)):
        return torch.cat([torch.empty(0, *shape[1:], dtype=torch.uint8), *parts])
    # The file has no name: the mapping keeps it alive, and the system removes it when the tensor is gone, even after a crash.
    with reserve_disk(prod(shape)), tempfile.TemporaryFile(dir=folder()) as file:
        write_images(file, (part.contiguous().numpy() for part in parts))
        return open_memmap(file, shape)


def select_rows(x: Tensor, rows: NDArray[np.intp]) -> Tensor:
    """The uint8 images `x[rows]`: a view of consecutive rows, else a copy made by `concatenate`."""
    if len(rows) and rows[0] >= 0 and (np.diff(rows) == 1).all():
        return x[rows[0] : rows[-1] + 1]
    return concatenate((x[part] for part in torch.from_numpy(rows).split(CHUNK)), (len(rows), *x.shape[1:]))


@contextmanager
def reserve_disk(needed: int) -> Iterator[None]:
    """Create the folder of the cache and check that it has room for `needed` bytes; the block then writes there.

    Raises ResourceError naming the folder if there is no room, or if a write in the block fails with an OSError.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        check_disk(folder(), needed, "data that do not fit into memory", _DISK_HINT)
        yield
    except DlcliError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise ResourceError(f"{folder()}: cannot hold data that do not fit into memory ({reason})", hint=_DISK_HINT) from None
