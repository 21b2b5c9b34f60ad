"""Image files as one tensor of bytes: decoded by Pillow in threads, kept in the cache, taken from there the next time."""

import hashlib
import json
import logging
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.data._fit import corner, fitted
from dlcli.core.data._kept import Decoded, Place
from dlcli.core.data._mapped import folder
from dlcli.core.data.base import Reading
from dlcli.core.feed import ahead
from dlcli.support.errors import InputError, LockedError
from dlcli.support.lock import locked
from dlcli.support.memory import fits
from dlcli.support.report import Report, Task
from dlcli.support.words import count

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
_TOLD = 5
_MOST_THREADS = 8
_AHEAD = 8
"""How many decoded images, for each thread, may wait to be taken."""

# Pillow logs what it finds odd in a file, and without a handler that would go to standard error.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Pixels:
    """Pixels (k, c, h, w) uint8 of those of n files that could be read, `kept` (n,) bool, and the SHA-256 of the pixels.

    They may be a file that is mapped into memory, and are not to be written to.
    """

    pixels: Tensor
    kept: NDArray[np.bool_]
    sha256: str


@dataclass(frozen=True)
class _Look:
    """What a file's head says: height and width as it is to be shown, and whether it is grey."""

    shape: tuple[int, int]
    grey: bool


def read_pixels(root: Path, files: Sequence[Path], how: Reading) -> Pixels:
    """The pixels of the files that can be read, in order; in the cache's file if they do not fit into memory as floats.

    A file that cannot be read is named to `how.report`, or with `how.strict` in an InputError. Raises InputError if none
    can be read, and ResourceError if neither memory nor disk suffices.
    """
    place = hashlib.sha256(json.dumps([str(root.resolve()), how.size, how.limit]).encode()).hexdigest()
    cache = Place(folder() / f"{place}.safetensors", _key(root, files, how), how.report)
    with _turn(cache.file, root, how.report):
        decoded = cache.find() or _decode(root, files, how, cache)
    _tell(root, files, decoded.problems, how)
    kept = np.ones(len(files), dtype=bool)
    kept[list(decoded.problems)] = False
    return Pixels(decoded.pixels, kept, decoded.sha256)


@contextmanager
def _turn(file: Path, root: Path, report: Report) -> Iterator[None]:
    """Hold the lock of one cached folder; a cache that cannot be written has none, which saving will tell."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(file, wait=False))
        except LockedError:
            report.note(f"another run is reading {root}; waiting for it")
            held.enter_context(locked(file, wait=True))
        except OSError:
            pass
        yield


def _key(root: Path, files: Sequence[Path], how: Reading) -> str:
    """What determines the pixels: names, sizes and times of the files, the settings, and what decodes them."""
    import PIL

    facts = [[os.path.relpath(path, root), *_stat(path)] for path in files]
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps([facts, how.size, PIL.__version__, code]).encode()).hexdigest()


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _decode(root: Path, files: Sequence[Path], how: Reading, cache: Place) -> Decoded:
    with _pool(how.report, f"reading {root}", 2 * len(files)) as each:
        looks = list(each(_look, files))
        sound = {k: look for k, look in enumerate(looks) if isinstance(look, _Look)}
        if not sound:
            example = f", e.g. {files[0].name}: {looks[0]}" if files else ""
            raise InputError(f"{root}: none of its {count(len(files), 'image')} can be read{example}")
        channels = 1 if all(look.grey for look in sound.values()) else 3
        shape = (len(sound), channels, *_shape(root, list(sound.values()), how))
        problems = {k: look for k, look in enumerate(looks) if isinstance(look, str)}
        images = _sound(each(partial(_decoded, shape=shape[1:]), (files[k] for k in sound)), sound, problems)
        if fits(5 * prod(shape)):  # a byte a value, and the float32 it becomes
            return cache.save(_filled(images, shape), problems)
        return cache.stream(images, shape, problems)


def _sound(
    found: Iterable[NDArray[np.uint8] | str], positions: Iterable[int], problems: dict[int, str]
) -> Iterator[NDArray[np.uint8]]:
    """The images among what was found at these positions; the others, by position, go to `problems`."""
    for position, image in zip(positions, found, strict=True):
        if isinstance(image, str):
            problems[position] = image
        else:
            yield image


def _filled(images: Iterable[NDArray[np.uint8]], shape: tuple[int, int, int, int]) -> Tensor:
    pixels, number = np.empty(shape, dtype=np.uint8), 0
    for image in images:
        pixels[number] = image
        number += 1
    return torch.from_numpy(pixels[:number])


@contextmanager
def _pool(report: Report, label: str, total: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A function that maps another over many files, in threads, since Pillow decodes without the interpreter's lock."""
    workers = min(_MOST_THREADS, os.cpu_count() or 1)
    # Pillow warns of odd metadata and large pictures, file by file, to nobody's use.
    with report.task(label, total) as task, warnings.catch_warnings(action="ignore"), ExitStack() as opened:

        def each(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            found = ahead(function, items, depth=_AHEAD * workers, workers=workers)
            return _counted(opened.enter_context(closing(found)), task)

        yield each


def _counted(results: Iterator[Any], task: Task) -> Iterator[Any]:
    for result in results:
        task.advance()
        yield result


def _shape(root: Path, looks: Sequence[_Look], how: Reading) -> tuple[int, int]:
    """Height and width of all images: what was asked for, their own if it is the same for all, else the usual one."""
    shapes = Counter(look.shape for look in looks)
    if how.size is None and len(shapes) == 1:
        return looks[0].shape
    size = how.size or _DEFAULT_SIZE
    if how.size is None:
        how.report.note(f"{root}: images of {len(shapes)} sizes become {size}x{size}; --size N makes them NxN")
    return size, size


def _look(path: Path) -> _Look | str:
    """What the head of a file says, or why it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            sides = image.height, image.width
            return _Look(sides[::-1] if _orientation(image) >= 5 else sides, image.mode in _GREY)
    except Exception as error:  # Pillow raises many kinds for damaged files
        return _reason(path, error)


def _decoded(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8] | str:
    """A file's pixels of `shape` (c, h, w), or why it cannot be decoded."""
    pixels = np.empty(shape, dtype=np.uint8)
    return _decode_into(pixels, path) or pixels


def _decode_into(pixels: NDArray[np.uint8], path: Path) -> str:
    """Decode a file into `pixels` (c, h, w); why it cannot be done, or nothing."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = _in_mode(_turned(opened), "L" if len(pixels) == 1 else "RGB")
        pixels[:] = np.atleast_3d(np.asarray(_fit(image, pixels.shape[1:]))).transpose(2, 0, 1)
    except Exception as error:  # as above
        return _reason(path, error)
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
    height, width = fitted((image.height, image.width), shape[0])
    if height * width > (Image.MAX_IMAGE_PIXELS or float("inf")):
        raise ValueError(f"{image.width}x{image.height} pixels is too long for its breadth")
    top, left = corner((height, width), shape[0])
    box = (left, top, left + shape[1], top + shape[0])
    return image.resize((width, height), Image.Resampling.BILINEAR).crop(box)


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "may not be read"
    if _stat(path)[0] == 0:
        return "is empty"
    if type(error).__name__ == "UnidentifiedImageError":
        return "is no image of a kind that can be read"
    return f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})"


def _tell(root: Path, files: Sequence[Path], problems: dict[int, str], how: Reading) -> None:
    told = [f"{files[k]}: {reason}" for k, reason in sorted(problems.items())]
    if told and how.strict:
        raise InputError(told[0], hint="mend or remove it, or leave out --strict to go on without it")
    if len(told) == len(files):
        raise InputError(f"{root}: none of its {count(len(files), 'image')} can be read, e.g. {told[0]}")
    for line in told[:_TOLD]:
        how.report.warn(f"{line}; left out")
    if len(told) > _TOLD:
        how.report.warn(f"{root}: {count(len(told) - _TOLD, 'more image')} that cannot be read left out")
