"""An image that Pillow opened: its EXIF orientation, and its pixels in grey or RGB with 8 bits."""

import logging
from pathlib import Path
from typing import IO, Any

import numpy as np

from dlcli.support.regular_file import check_regular

_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats behind the endings in `file_kinds.PICTURES`."""
GREY_MODES = ("1", "L", "LA", "I;16", "I;16B", "I;16L")
_ORIENTATION = 0x0112
_TRANSPOSITIONS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""The transposition that undoes each EXIF orientation; from 5 on it swaps height and width."""

# Pillow logs oddities of files; without a handler they would go to standard error.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def open_image(source: Path | IO[bytes]) -> Any:
    """Open an image with Pillow, whose pixels are decoded later.

    Only the formats that dlcli lists are tried, whatever the file holds: other plugins of Pillow run programs, as that for
    PostScript does. Raises InputError for a FIFO or a device, and what Pillow raises for a damaged file.
    """
    from PIL import Image

    if isinstance(source, Path):
        check_regular(source)
    return Image.open(source, formats=_FORMATS)


def orientation(image: Any) -> int:
    """The EXIF orientation; 1, which is upright, if there is none or EXIF is damaged, since the pixels may be intact."""
    try:
        found = image.getexif().get(_ORIENTATION)
    except Exception:  # Pillow raises many types for damaged files
        return 1
    return found if found in _TRANSPOSITIONS else 1


def transpose(image: Any, turn: int) -> Any:
    """Turn an image of the EXIF orientation `turn` upright."""
    from PIL import Image

    return image.transpose(Image.Transpose[_TRANSPOSITIONS[turn]]) if turn in _TRANSPOSITIONS else image


def upright(image: Any) -> Any:
    """Turn the image upright."""
    return transpose(image, orientation(image))  # the orientation is read before decoding, which adds EXIF data in some formats


def opaque(image: Any) -> Any:
    """The image on white where it is transparent; the image itself if no pixel is."""
    from PIL import Image

    transparent = image.mode in ("RGBA", "LA", "PA") or ("transparency" in image.info and image.mode in ("P", "L", "RGB", "1"))
    if not transparent:
        return image
    layers = image.convert("RGBA")
    if layers.getchannel("A").getextrema()[0] == 255:
        return image
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")


def in_mode(image: Any, mode: str) -> Any:
    """Convert to grey or RGB with 8 bits; Pillow itself would clip 16 bits at 255."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.float64) / 257).round().astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError("32-bit pixels, whose range is unknown")
    return image.convert(mode)
