"""Read an image file once: its hash, its size, and a small grey copy that everything else is computed from."""

import hashlib
import io
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.failures import UNKNOWN_IMAGE, failure_reason
from dlcli.core.data.image_file import in_mode, opaque, open_image, orientation, transpose
from dlcli.support.regular_file import check_regular
from dlcli.support.reporter import Task

SIDE = 128
"""Height and width of the grey copy; the aspect ratio is not kept."""
_DRAFT = 2 * SIDE
_MAX_THREADS = 8
_COLOURS, _GREY = 64, 6
"""Side of the image that colours are sought in, and the largest difference between the channels of a grey one."""


@dataclass(frozen=True)
class ReadImage:
    """What is kept of an image file.

    Attributes:
        sha256: Hash of the bytes of the file.
        bytes: Size of the file.
        modified: When it was last changed, in nanoseconds.
        coarseness: How coarsely it is quantized: 0 without loss, of a JPEG the mean of its first table of steps, infinity for
            other formats with loss.
        width: Width in pixels, once the image is upright.
        height: Height.
        grey: Luma of the upright image resized to (SIDE, SIDE), uint8.
    """

    sha256: str
    bytes: int
    modified: int
    coarseness: float
    width: int
    height: int
    grey: NDArray[np.uint8]


def read_images(paths: Sequence[Path], task: Task) -> Iterator[ReadImage | str]:
    """Read image files in threads, which helps because decoders release the interpreter lock; see `read_image`."""
    pool = ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1), thread_name_prefix="dlcli-images")
    # Pillow warns about odd metadata and large pictures for every file, which would flood the terminal.
    with warnings.catch_warnings(action="ignore"):
        try:
            for image in pool.map(read_image, paths):
                task.advance()
                yield image
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def read_image(path: Path) -> ReadImage | str:
    """Read an image file, or say why it cannot be read. Of an animation the first frame is read."""
    from PIL import Image

    try:
        check_regular(path)
        data, modified = path.read_bytes(), path.stat().st_mtime_ns
        with open_image(io.BytesIO(data)) as image:
            coarseness = _coarseness(image, data)
            turn = orientation(image)  # before decoding, which adds EXIF data in some formats
            width, height = image.size[::-1] if turn >= 5 else image.size
            image.draft("L", (_DRAFT, _DRAFT))  # of a JPEG: decode at a fraction of its size, luma only
            # The size first: it is a fraction of the work that is left, also for turning.
            small = in_mode(opaque(image), "L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        grey = np.asarray(transpose(small, turn))
    except Exception as error:  # Pillow raises many types for damaged files
        return failure_reason(path, error, UNKNOWN_IMAGE)
    return ReadImage(hashlib.sha256(data).hexdigest(), len(data), modified, coarseness, width, height, grey)


def _coarseness(image: Any, data: bytes) -> float:
    tables = getattr(image, "quantization", None)
    if tables:
        return float(np.mean(next(iter(tables.values()))))
    lossy = image.format in ("AVIF", "HEIF", "JPEG2000") or (image.format == "WEBP" and b"VP8 " in data[:4096])
    return math.inf if lossy else 0.0


def is_grey(path: Path) -> bool:
    """Whether an image file shows no colours, whatever its mode; small differences between channels come from compression."""
    from PIL import Image

    with open_image(path) as image:
        image.draft("RGB", (_DRAFT, _DRAFT))
        small = in_mode(opaque(image), "RGB").resize((_COLOURS, _COLOURS), Image.Resampling.BILINEAR)
    return float(np.quantile(np.ptp(np.asarray(small, np.int16), axis=2), 0.99)) <= _GREY


def pixel_hash(path: Path) -> str:
    """Hash of the upright pixels of all frames, and of their size, whatever the mode and the format.

    Pixels are equal if they look alike on any background. Those of 16 bits are equal to others of 8 bits if these hold them.
    """
    digest = hashlib.sha256()
    with open_image(path) as image:
        turn = orientation(image)
        _add_pixels(digest, image, turn)
        with suppress(Exception):  # at the end, or at a frame that is damaged: the file was read by its first one
            while True:
                image.seek(image.tell() + 1)
                _add_pixels(digest, image, turn)
    return digest.hexdigest()


def _add_pixels(digest: Any, image: Any, turn: int) -> None:
    for layer in _exact_layers(image):
        whole = transpose(layer, turn)
        digest.update(f"{whole.mode} {whole.size}".encode() + whole.tobytes())


def _exact_layers(image: Any) -> list[Any]:
    """An image in RGB on white; on black too if it is transparent, and as it is if 8 bits do not hold it."""
    from PIL import Image

    on_white = opaque(image)
    layers = [in_mode(on_white, "RGB")]
    if on_white is not image:
        whole = image.convert("RGBA")
        layers.append(Image.alpha_composite(Image.new("RGBA", whole.size, "black"), whole).convert("RGB"))
    if image.mode.startswith("I;16") and (np.asarray(image) % 257).any():
        layers.append(image)
    return layers
