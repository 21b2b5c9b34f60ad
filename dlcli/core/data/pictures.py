"""Decode pictures with Pillow: upright, grey or RGB, all of one size."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import LoadOptions
from dlcli.core.data.cache import Remark
from dlcli.core.data.decoding import ParallelMap, Problems
from dlcli.core.data.failures import UNKNOWN_IMAGE, failure_reason
from dlcli.core.data.image_file import GREY_MODES, in_mode, opaque, open_image, orientation, upright
from dlcli.core.data.preparation import Preparation
from dlcli.core.data.stored_images import ImageFile, opened, path_of
from dlcli.support.errors import InputError
from dlcli.support.plural import count

_DEFAULT_SIZE = 224  # the input size of networks for ImageNet
_MOST, _FEW_BITS = 65535, 4095
"""The highest value of 16 bits, and of the 12 bits that cameras and scanners store in them."""
_SOME, _SHARE, _MANY_BITS = 3, 0.02, 16383
"""How many pictures, and which share of all, must seem to have fewer bits than the others, and what those must all exceed."""


@dataclass(frozen=True)
class Pictures:
    """Decodes pictures for `read_pixels` to (c, h, w), with c 1 if all are grey, else 3.

    If `options` has a preparation, it is applied. If they differ in size, or `options` has a size, the shorter side is resized
    (bilinear, antialiased) and the centre cropped, unless `options` names another way for images of mixed sizes.
    """

    options: LoadOptions
    word: str = "image"
    passes: int = 2
    seen: "SeenPixels" = field(default_factory=lambda: SeenPixels())

    @property
    def cache_options(self) -> list[Any]:
        """The size, and how images are prepared if that is known."""
        how, mixed = self.options.preparation, self.options.mixed_sizes
        ways = [how.to_json()] if how is not None else []
        return [self.options.size, *ways, *([{"mixed": mixed.to_json()}] if mixed is not None else [])]

    @property
    def version(self) -> str:
        """Version of Pillow."""
        import PIL

        return PIL.__version__

    def shape(self, root: Path, files: Sequence[ImageFile], parallel_map: ParallelMap, problems: Problems) -> tuple[int, ...]:
        """Choose the shape of all pictures by their headers.

        Args:
            root: Folder of the files, for messages.
            files: The pictures.
            parallel_map: Opens many of them at once.
            problems: Receives the pictures whose header cannot be read.

        Returns:
            Channels, height and width.

        Raises:
            InputError: If no header can be read.
        """
        headers = list(parallel_map(_read_header, files))
        problems |= {k: header for k, header in enumerate(headers) if isinstance(header, str)}
        readable = [header for header in headers if isinstance(header, _ImageHeader)]
        if not readable:
            example = f", for example {files[0].name}: {headers[0]}" if files else ""
            raise InputError(f"{root}: none of its {count(len(files), 'image')} can be read{example}")
        return (1 if all(header.grey for header in readable) else 3, *_common_shape(root, readable, self.options))

    def decode(self, path: ImageFile, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        """Decode a picture, or say why it cannot be decoded."""
        found = self._read(path, shape, like=False)
        return "" if found is None else found

    def guess(self, files: Sequence[ImageFile]) -> tuple[int, ...] | None:
        """The shape of all pictures if they are like the first that can be read, see `decode_alike`."""
        header = next((found for found in map(_read_header, files) if isinstance(found, _ImageHeader)), None)
        if header is None:
            return None
        sides = None if self._fixed else header.shape
        return 1 if header.grey else 3, *(sides or _common_shape(Path(), [header], self.options))

    def decode_alike(self, path: ImageFile, shape: tuple[int, ...]) -> NDArray[np.uint8] | str | None:
        """Decode a picture if it is like that of which `guess` gave the shape; None if it is not, so that all are not."""
        return self._read(path, shape, like=True)

    @property
    def _fixed(self) -> bool:
        """Whether the options fix height and width."""
        return self.options.size is not None or self.options.preparation is not None

    def _read(self, path: ImageFile, shape: tuple[int, ...], *, like: bool) -> NDArray[np.uint8] | str | None:
        try:
            with open_image(opened(path)) as image_file:
                header = _header(image_file)
                # Pictures are grey only if all are, and in colour if the first is.
                if like and ((shape[0] == 1 and not header.grey) or not (self._fixed or header.shape == shape[1:])):
                    return None
                return self._pixels(path, image_file, shape)
        except Exception as error:  # Pillow raises many types for damaged files
            return failure_reason(path_of(path), error, UNKNOWN_IMAGE)

    def _pixels(self, path: ImageFile, image_file: Any, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The pixels of an opened picture, (c, h, w)."""
        turned = upright(image_file)
        if turned.mode.startswith("I;16"):
            self.seen.brightest.append((int(np.asarray(turned).max()), path_of(path).name))
        visible = opaque(turned)
        if visible is not turned:
            self.seen.transparent.append(path)
        image, how = in_mode(visible, "L" if shape[0] == 1 else "RGB"), self.options.preparation
        if how is not None or (image.height, image.width) != shape[1:]:
            mixed = self.options.mixed_sizes if self.options.size is None else None
            image = (how or mixed or Preparation(shape[1], shape[1])).picture(image)
        pixels = np.empty(shape, dtype=np.uint8)
        pixels[:] = np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)
        return pixels

    def remarks(self) -> list[Remark]:
        """What there is to say about the pictures that were decoded."""
        return self.seen.remarks()

    def take_seen(self) -> "SeenPixels":
        """What was noticed since the last call; it is forgotten here."""
        found = SeenPixels(list(self.seen.transparent), list(self.seen.brightest))
        self.seen.transparent.clear()
        self.seen.brightest.clear()
        return found

    def add_seen(self, seen: "SeenPixels") -> None:
        """Add what another process noticed."""
        self.seen.transparent.extend(seen.transparent)
        self.seen.brightest.extend(seen.brightest)


@dataclass(frozen=True)
class SeenPixels:
    """What was noticed about pictures while they were decoded, in several threads.

    Attributes:
        transparent: The transparent ones.
        brightest: The highest value of each picture of 16 bits, and its name.
    """

    transparent: list[ImageFile] = field(default_factory=list)
    brightest: list[tuple[int, str]] = field(default_factory=list)

    def remarks(self) -> list[Remark]:
        """A note on transparent pictures, and a warning if those of 16 bits seem to hold data of fewer bits."""
        found = []
        if self.transparent:
            found.append(Remark(f"{count(len(self.transparent), 'image')} with transparent parts: these are read as white"))
        text = _few_bits(sorted(self.brightest))
        return [*found, Remark(text, warn=True)] if text else found


def _few_bits(brightest: Sequence[tuple[int, str]]) -> str:
    """A warning about pictures of 16 bits that seem to hold data of fewer, by the highest value and the name of each, sorted.

    All may, or some: then no picture lies between them and the others, as dark pictures among bright ones do.
    """
    lit = [one for one in brightest if one[0]]
    few = [one for one in lit if one[0] <= _FEW_BITS]
    if not few:
        return ""
    highest, number = few[-1][0], len(few)
    bits, most = highest.bit_length(), f"value above {highest:,} of {_MOST:,}"
    advice = f"read as nearly black; if they hold data of {bits} bits, multiply them by {_MOST / (2**bits - 1):.4g} first"
    if number == len(lit):
        return f"no image of 16 bits ({len(brightest):,} in all) has a {most}, so they are {advice}"
    if number < max(_SOME, _SHARE * len(lit)) or lit[number][0] <= _MANY_BITS:
        return ""
    which = f"{number:,} of {count(len(brightest), 'image')} of 16 bits, such as {few[-1][1]}, have no {most}"
    return f"{which}, while the others exceed {_MANY_BITS:,}, so these {number:,} are {advice}"


@dataclass(frozen=True)
class _ImageHeader:
    """The header of a picture: height and width once it is upright, and whether it is grey."""

    shape: tuple[int, int]
    grey: bool


def _common_shape(root: Path, headers: Sequence[_ImageHeader], options: LoadOptions) -> tuple[int, int]:
    """Height and width of all images: those of `options`, their own if they agree, else the default."""
    if options.preparation is not None:
        return options.preparation.crop, options.preparation.crop
    shapes = Counter(header.shape for header in headers)
    if options.size is None and len(shapes) == 1:
        return headers[0].shape
    mixed = options.mixed_sizes
    size = options.size or (mixed.crop if mixed is not None else _DEFAULT_SIZE)
    if options.size is None:
        how = f"resized to {size}x{size}" if mixed is None else f"prepared as for published weights ({mixed})"
        options.report.note(f"{root}: images of {len(shapes)} sizes are {how}; `size=N` resizes them to NxN")
    return size, size


def _read_header(path: ImageFile) -> _ImageHeader | str:
    """Read the header of a picture, or say why it cannot be read."""
    try:
        with open_image(opened(path)) as image:
            return _header(image)
    except Exception as error:  # as above
        return failure_reason(path_of(path), error, UNKNOWN_IMAGE)


def _header(image: Any) -> _ImageHeader:
    sides = image.height, image.width
    return _ImageHeader(sides[::-1] if orientation(image) >= 5 else sides, image.mode in GREY_MODES)
