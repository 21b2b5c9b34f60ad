"""Files as one tensor of bytes: decoded in threads, kept in the cache, and taken from there the next time."""

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.loader import prefetch
from dlcli.core.data.base import LoadOptions
from dlcli.core.data.cache import Decoded, PixelCache
from dlcli.core.data.memmap import folder
from dlcli.support.errors import InputError
from dlcli.support.lock import cache_lock
from dlcli.support.memory import fits
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter, Task

_MAX_WARNINGS = 5
_MOST_THREADS = 8
_AHEAD = 8
"""How many decoded images, for each thread, may wait to be taken."""

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Maps a function over files, in threads."""

Problems = dict[int, str]
"""Why a file could not be read, by its position."""


class Decoder(Protocol):
    """What makes pixels of files; `word` is what a file holds, `passes` how often each is opened."""

    @property
    def word(self) -> str:
        """`image`, `video`."""

    @property
    def passes(self) -> int:
        """Over how many steps `Each` counts, for each file."""

    @property
    def place(self) -> list[Any]:
        """What has a place of its own in the cache, in the terms of JSON."""

    @property
    def version(self) -> str:
        """That of what decodes."""

    def shape(self, root: Path, files: Sequence[Path], each: Each, problems: Problems) -> tuple[int, ...]:
        """The shape of every example; files that are found to be no good go to `problems`."""

    def decode(self, path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        """The uint8 pixels of a file, or why it has none."""


@dataclass(frozen=True)
class DecodedFiles:
    """Pixels (k, c, h, w) or (k, c, t, h, w) uint8 of those of n files that could be read, and their SHA-256.

    `kept` (n,) bool says which files these are.

    They may be a file that is mapped into memory, and are not to be written to.
    """

    pixels: Tensor
    kept: NDArray[np.bool_]
    sha256: str


def read_pixels(root: Path, files: Sequence[Path], options: LoadOptions, decoder: Decoder) -> DecodedFiles:
    """The pixels of the files that can be read, in order; in the cache's file if they do not fit into memory as floats.

    A file that cannot be read is named to `options.report`, or with `options.strict` in an InputError. Raises InputError
    if none can be read, and ResourceError if neither memory nor disk suffices.
    """
    place = hashlib.sha256(json.dumps([str(root.resolve()), options.limit, *decoder.place]).encode()).hexdigest()
    cache = PixelCache(folder() / f"{place}.safetensors", _key(root, files, options, decoder), options.report)
    with cache_lock(cache.file, f"another run is reading {root}", options.report):
        decoded = cache.find() or _decode(root, files, options, decoder, cache)
    _tell(root, files, decoded.problems, options, decoder.word)
    kept = np.ones(len(files), dtype=bool)
    kept[list(decoded.problems)] = False
    return DecodedFiles(decoded.pixels, kept, decoded.sha256)


def _key(root: Path, files: Sequence[Path], options: LoadOptions, decoder: Decoder) -> str:
    """What determines the pixels: names, sizes and times of the files, the settings, and what decodes them."""
    metadata = [[os.path.relpath(path, root), *_stat(path)] for path in files]
    code = hashlib.sha256(Path(str(sys.modules[type(decoder).__module__].__file__)).read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps([metadata, decoder.place, decoder.version, code]).encode()).hexdigest()


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _decode(root: Path, files: Sequence[Path], options: LoadOptions, decoder: Decoder, cache: PixelCache) -> Decoded:
    with _pool(options.report, f"reading {root}", decoder.passes * len(files)) as each:
        problems: Problems = {}
        one = decoder.shape(root, files, each, problems)
        sound = [k for k in range(len(files)) if k not in problems]
        shape = (len(sound), *one)
        examples = _sound(each(partial(decoder.decode, shape=one), (files[k] for k in sound)), sound, problems)
        if fits(5 * prod(shape)):  # a byte a value, and the float32 it becomes
            return cache.save(_filled(examples, shape), problems)
        return cache.stream(examples, shape, problems)


def _sound(
    found: Iterable[NDArray[np.uint8] | str], positions: Iterable[int], problems: Problems
) -> Iterator[NDArray[np.uint8]]:
    """The images among what was found at these positions; the others, by position, go to `problems`."""
    for position, image in zip(positions, found, strict=True):
        if isinstance(image, str):
            problems[position] = image
        else:
            yield image


def _filled(images: Iterable[NDArray[np.uint8]], shape: tuple[int, ...]) -> Tensor:
    pixels, number = np.empty(shape, dtype=np.uint8), 0
    for image in images:
        pixels[number] = image
        number += 1
    return torch.from_numpy(pixels[:number])


@contextmanager
def _pool(report: Reporter, label: str, total: int) -> Iterator[Each]:
    """A function that maps another over many files, in threads, since decoders run without the interpreter's lock."""
    workers = min(_MOST_THREADS, os.cpu_count() or 1)
    # Pillow warns of odd metadata and large pictures, file by file, to nobody's use.
    with report.task(label, total) as task, warnings.catch_warnings(action="ignore"), ExitStack() as opened:

        def each(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            found = prefetch(function, items, depth=_AHEAD * workers, workers=workers)
            return _counted(opened.enter_context(closing(found)), task)

        yield each


def _counted(results: Iterator[Any], task: Task) -> Iterator[Any]:
    for result in results:
        task.advance()
        yield result


def failure_reason(path: Path, error: Exception, unknown: tuple[str, str] = ("", "")) -> str:
    """Why `error` came of decoding the file; `unknown` is the name of the error for files of no known kind, and its words."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "may not be read"
    if _stat(path)[0] == 0:
        return "is empty"
    if type(error).__name__ == unknown[0]:
        return unknown[1]
    words = str(getattr(error, "strerror", None) or error).split()
    return f"cannot be decoded ({' '.join(words) or type(error).__name__})"


def _tell(root: Path, files: Sequence[Path], problems: Problems, options: LoadOptions, word: str) -> None:
    told = [f"{files[k]}: {why}" for k, why in sorted(problems.items())]
    if told and options.strict:
        raise InputError(told[0], hint="mend or remove it, or leave out --strict to go on without it")
    if len(told) == len(files):
        raise InputError(f"{root}: none of its {count(len(files), word)} can be read, e.g. {told[0]}")
    for line in told[:_MAX_WARNINGS]:
        options.report.warn(f"{line}; left out")
    if len(told) > _MAX_WARNINGS:
        options.report.warn(f"{root}: {count(len(told) - _MAX_WARNINGS, f'more {word}')} that cannot be read left out")
