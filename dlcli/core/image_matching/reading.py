"""Read an image file once: its hash, its size, and a small grey copy that everything else is computed from."""

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.failures import UNKNOWN_IMAGE, failure_reason
from dlcli.core.data.image_file import in_mode, orientation, transpose
from dlcli.support.reporter import Task

SIDE = 128
"""Height and width of the grey copy; the aspect ratio is not kept."""
_DRAFT = 2 * SIDE
_MAX_THREADS = 8


@dataclass(frozen=True)
class ReadImage:
    """What is kept of an image file.

    Attributes:
        sha256: Hash of the bytes of the file.
        bytes: Size of the file.
        width: Width in pixels, once the image is upright.
        height: Height.
        grey: Luma of the upright image resized to (SIDE, SIDE), uint8.
    """

    sha256: str
    bytes: int
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
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            turn = orientation(image)  # before decoding, which adds EXIF data in some formats
            width, height = image.size[::-1] if turn >= 5 else image.size
            image.draft("L", (_DRAFT, _DRAFT))  # of a JPEG: decode at a fraction of its size, luma only
            # The size first: it is a fraction of the work that is left, also for turning.
            small = in_mode(opaque(image), "L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        grey = np.asarray(transpose(small, turn))
    except Exception as error:  # Pillow raises many types for damaged files
        return failure_reason(path, error, UNKNOWN_IMAGE)
    return ReadImage(hashlib.sha256(data).hexdigest(), len(data), width, height, grey)


def pixel_hash(path: Path) -> str:
    """Hash of the upright pixels in RGB, with transparent parts white, and of the size."""
    from PIL import Image

    with Image.open(path) as image:
        turn = orientation(image)
        whole = transpose(in_mode(opaque(image), "RGB"), turn)
    return hashlib.sha256(repr(whole.size).encode() + whole.tobytes()).hexdigest()


def opaque(image: Any) -> Any:
    """The image on white where it is transparent."""
    from PIL import Image

    if not (image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info):
        return image
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")
