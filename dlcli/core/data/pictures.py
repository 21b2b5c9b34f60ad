"""Pictures decoded by Pillow: upright, grey or RGB, and all of one size."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import LoadOptions
from dlcli.core.data.decoding import Each, Problems, failure_reason
from dlcli.core.data.resize import crop_origin, resized_shape
from dlcli.support.errors import InputError
from dlcli.support.plural import count

_DEFAULT_SIZE = 224  # what networks for ImageNet take
_GREY = ("1", "L", "LA", "I;16", "I;16B", "I;16L")
_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What undoes each orientation of EXIF; from 5 on, height and width change places."""

_UNKNOWN = ("UnidentifiedImageError", "is no image of a kind that can be read")

# Pillow logs what it finds odd in a file, and without a handler that would go to standard error.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Pictures:
    """How `read_pixels` decodes pictures: to (c, h, w), c 1 if all are grey, else 3.

    If they differ in size, or `options` names one, the shorter side is resized (bilinear, antialiased) and the centre cropped.
    """

    options: LoadOptions
    word: str = "image"
    passes: int = 2

    @property
    def place(self) -> list[Any]:
        """The size."""
        return [self.options.size]

    @property
    def version(self) -> str:
        """Pillow's."""
        import PIL

        return PIL.__version__

    def shape(self, root: Path, files: Sequence[Path], each: Each, problems: Problems) -> tuple[int, ...]:
        """The shape of all, from their heads; raises InputError if none has a sound one."""
        looks = list(each(_look, files))
        problems |= {k: look for k, look in enumerate(looks) if isinstance(look, str)}
        sound = [look for look in looks if isinstance(look, _Look)]
        if not sound:
            example = f", e.g. {files[0].name}: {looks[0]}" if files else ""
            raise InputError(f"{root}: none of its {count(len(files), 'image')} can be read{example}")
        return (1 if all(look.grey for look in sound) else 3, *_shape(root, sound, self.options))

    def decode(self, path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        """A file's pixels, or why it cannot be decoded."""
        pixels = np.empty(shape, dtype=np.uint8)
        return _decode_into(pixels, path) or pixels


@dataclass(frozen=True)
class _Look:
    """What a file's head says: height and width as it is to be shown, and whether it is grey."""

    shape: tuple[int, int]
    grey: bool


def _shape(root: Path, looks: Sequence[_Look], options: LoadOptions) -> tuple[int, int]:
    """Height and width of all images: what was asked for, their own if it is the same for all, else the usual one."""
    shapes = Counter(look.shape for look in looks)
    if options.size is None and len(shapes) == 1:
        return looks[0].shape
    size = options.size or _DEFAULT_SIZE
    if options.size is None:
        options.report.note(f"{root}: images of {len(shapes)} sizes become {size}x{size}; --size N makes them NxN")
    return size, size


def _look(path: Path) -> _Look | str:
    """What the head of a file says, or why it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            sides = image.height, image.width
            return _Look(sides[::-1] if _orientation(image) >= 5 else sides, image.mode in _GREY)
    except Exception as error:  # Pillow raises many kinds for damaged files
        return failure_reason(path, error, _UNKNOWN)


def _decode_into(pixels: NDArray[np.uint8], path: Path) -> str:
    """Decode a file into `pixels` (c, h, w); why it cannot be done, or nothing."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = _in_mode(_turned(opened), "L" if len(pixels) == 1 else "RGB")
        pixels[:] = np.atleast_3d(np.asarray(_fit(image, pixels.shape[1:]))).transpose(2, 0, 1)
    except Exception as error:  # as above
        return failure_reason(path, error, _UNKNOWN)
    return ""


def _orientation(image: Any) -> int:
    """As EXIF numbers them; 1, which is upright, where there is none or it is damaged, for the pixels may be sound."""
    try:
        found = image.getexif().get(_ORIENTATION)
    except Exception:  # as above
        return 1
    return found if found in _TURNS else 1


def _turned(image: Any) -> Any:
    """The image as it is to be shown."""
    from PIL import Image

    orientation = _orientation(image)  # asked first, for some formats have more to say once they are decoded
    return image.transpose(Image.Transpose[_TURNS[orientation]]) if orientation in _TURNS else image


def _in_mode(image: Any, mode: str) -> Any:
    """Grey or RGB, 8 bits; Pillow itself would cut 16 bits off at 255."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.float64) / 257).round().astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits, whose range is not known")
    return image.convert(mode)


def _fit(image: Any, shape: tuple[int, ...]) -> Any:
    from PIL import Image

    if (image.height, image.width) == shape:
        return image
    height, width = resized_shape((image.height, image.width), shape[0])
    if height * width > (Image.MAX_IMAGE_PIXELS or float("inf")):
        raise ValueError(f"{image.width}x{image.height} pixels is too long for its breadth")
    top, left = crop_origin((height, width), shape[0])
    box = (left, top, left + shape[1], top + shape[0])
    return image.resize((width, height), Image.Resampling.BILINEAR).crop(box)
