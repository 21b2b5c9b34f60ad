"""Decode pictures and their masks together: the pixels of both in one array, of which the last channel is the mask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.cache import Remark
from dlcli.core.data.decoding import ParallelMap, Problems
from dlcli.core.data.failures import UNKNOWN_IMAGE, failure_reason
from dlcli.core.data.image_file import GREY_MODES, in_mode, opaque, open_image, orientation, upright
from dlcli.core.data.mask_labels import MaskReading, Masks, read_numbers
from dlcli.core.data.stored_images import ImageFile, identity, opened, path_of
from dlcli.specs.masks import OUTSIDE, VOID
from dlcli.support.errors import InputError
from dlcli.support.plural import count

_MODES = ("1", "L", "P")
"""Pillow's modes of masks: one bit, or one channel of 8 bits, maybe with a palette."""


@dataclass(frozen=True)
class MaskedPictures:
    """Decodes a picture to (c + 1, h, w): c 1 if all are grey, else 3, and its mask.

    The array is as large as the largest picture; a smaller one lies in its upper left corner, and its mask has OUTSIDE beside.

    Attributes:
        masks: The mask of each picture; none for pictures without masks, which have VOID everywhere.
        reading: How label numbers are read.
        size: What the shorter side is resized to, in pixels (pictures bilinear with antialiasing, masks to the nearest pixel).
        root: The folder, by which masks are known.
        word: What a file holds.
        passes: How often each is opened.
    """

    masks: Mapping[ImageFile, Path]
    reading: MaskReading
    size: int | None
    root: Path
    word: str = "image"
    passes: int = 2

    @property
    def cache_options(self) -> list[Any]:
        """The size, the number that is ignored, and names, sizes and times of the masks."""
        return ["masks", self.size, self.reading.ignore, [identity(path, self.root) for path in self.masks.values()]]

    @property
    def version(self) -> str:
        """Version of Pillow."""
        import PIL

        return PIL.__version__

    def shape(self, root: Path, files: Sequence[ImageFile], parallel_map: ParallelMap, problems: Problems) -> tuple[int, ...]:
        """The shape of all, by the headers of pictures and masks.

        Args:
            root: Folder of the files, for messages.
            files: The pictures.
            parallel_map: Opens many of them at once.
            problems: Receives the pictures whose header cannot be read.

        Returns:
            Channels with that of the mask, height and width.

        Raises:
            InputError: If no picture can be read, or a mask is not one of its picture.
        """
        headers = list(parallel_map(self._header, files))
        problems |= {k: header for k, header in enumerate(headers) if isinstance(header, str)}
        readable = [header for header in headers if isinstance(header, _Header)]
        if not readable:
            raise InputError(f"{root}: none of its {count(len(files), 'image')} can be read, for example {headers[0]}")
        channels = 1 if all(header.grey for header in readable) else 3
        return channels + 1, max(header.sides[0] for header in readable), max(header.sides[1] for header in readable)

    def decode(self, path: ImageFile, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        """Decode a picture and its mask, or say why the picture cannot be decoded; raises InputError for its mask."""
        try:
            with open_image(opened(path)) as file:
                image = in_mode(opaque(upright(file)), "L" if shape[0] == 2 else "RGB")
                height, width = sides = self._resized((image.height, image.width))
                if sides != (image.height, image.width):
                    image = image.resize((width, height), _bilinear())
                pixels = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
        except Exception as error:  # Pillow raises many types for damaged files
            return failure_reason(path_of(path), error, UNKNOWN_IMAGE)
        found = np.zeros(shape, dtype=np.uint8)
        found[-1] = OUTSIDE
        found[:-1, :height, :width] = pixels
        found[-1, :height, :width] = self._mask(path, sides)
        return found

    def guess(self, files: Sequence[ImageFile]) -> tuple[int, ...] | None:
        """None, see `Decoder`: masks are checked by all headers."""
        return None

    def decode_alike(self, path: ImageFile, shape: tuple[int, ...]) -> NDArray[np.uint8] | str | None:
        """See `decode`."""
        return self.decode(path, shape)

    def remarks(self) -> list[Remark]:
        """Nothing."""
        return []

    def take_seen(self) -> tuple[()]:
        """Nothing, see `Decoder`."""
        return ()

    def add_seen(self, seen: Any) -> None:
        """Nothing is noticed."""

    def _resized(self, sides: tuple[int, int]) -> tuple[int, int]:
        return resized_sides(sides, self.size)

    def _header(self, path: ImageFile) -> "_Header | str":
        try:
            with open_image(opened(path)) as image:
                sides = image.height, image.width
                sides = sides[::-1] if orientation(image) >= 5 else sides
                grey = image.mode in GREY_MODES
        except Exception as error:  # as above
            return failure_reason(path_of(path), error, UNKNOWN_IMAGE)
        if (mask := self.masks.get(path)) is not None:
            check_mask_header(mask, path_of(path), sides)
        return _Header(self._resized(sides), grey)

    def _mask(self, path: ImageFile, sides: tuple[int, int]) -> Masks:
        mask = self.masks.get(path)
        if mask is None:
            return np.full(sides, VOID, dtype=np.uint8)
        from PIL import Image

        labels = read_mask(mask, self.reading)
        if labels.shape == sides:
            return labels
        nearest: Any = Image.fromarray(labels).resize(sides[::-1], Image.Resampling.NEAREST)
        return np.asarray(nearest)


def resized_sides(sides: tuple[int, int], size: int | None) -> tuple[int, int]:
    """Height and width of a picture whose shorter side is resized.

    Args:
        sides: Its own height and width.
        size: The shorter side afterwards; None to keep it.

    Returns:
        Height and width, in pixels.
    """
    if size is None:
        return sides
    height, width = (max(1, round(side * size / min(sides))) for side in sides)
    return height, width


def check_mask_header(mask: Path, image: Path, sides: tuple[int, int]) -> None:
    """Raise InputError for a mask that cannot be read, is not of label numbers of 8 bits, or has another size.

    Args:
        mask: The file of the mask.
        image: The file of its picture.
        sides: Height and width of the picture.
    """
    try:
        with open_image(mask) as file:
            mode, found = file.mode, (file.height, file.width)
    except Exception as error:  # Pillow raises many types for damaged files
        raise InputError(f"{mask}: {failure_reason(mask, error, UNKNOWN_IMAGE)}", hint="save the mask again") from None
    if mode.startswith("I"):
        raise InputError(f"{mask}: has 16 bits or more", hint="save label numbers in 8 bits")
    if mode not in _MODES:
        what = f"is {mode}" if mode != "LA" else "has transparency (LA)"
        hint = "a mask holds label numbers in one channel, not colours: write the number of its class into each pixel"
        raise InputError(f"{mask}: {what}", hint=hint)
    if found != sides:
        shapes = f"{found[1]}x{found[0]} pixels, and its picture {image.name} has {sides[1]}x{sides[0]}"
        raise InputError(f"{mask}: has {shapes}", hint="make both the same size; masks are resized to the nearest pixel only")


def read_mask(path: Path, reading: MaskReading) -> Masks:
    """The label numbers of a mask (h, w), of a palette the numbers and not the colours; raises InputError, see `read_numbers`.

    A mask of one bit has labels 0 and 1.
    """
    try:
        with open_image(path) as file:
            found = np.asarray(file).astype(np.int64)
    except Exception as error:  # as above
        raise InputError(f"{path}: {failure_reason(path, error, UNKNOWN_IMAGE)}", hint="save the mask again") from None
    return read_numbers(str(path), found, reading)


class _Header(NamedTuple):
    """Height and width of a picture once it is upright and resized, and whether it is grey."""

    sides: tuple[int, int]
    grey: bool


def _bilinear() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR
