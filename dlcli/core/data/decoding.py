"""Decode files into one tensor of bytes: in threads, with a cache for the next time."""

import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.forked import cores, forked_map, may_fork
from dlcli.core.compute.loader import prefetch
from dlcli.core.data.base import LoadOptions
from dlcli.core.data.cache import Decoded, PixelCache, Remark
from dlcli.core.data.memmap import folder
from dlcli.core.data.stored_images import ImageFile, identity
from dlcli.support.errors import InputError
from dlcli.support.lock import cache_lock
from dlcli.support.memory import fits
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter, Task

_MAX_WARNINGS = 5
_MAX_THREADS = 8
_LEAST_FORKED = 1000
"""From how many files on they are decoded in processes: to start these takes as long as some hundred small pictures."""
_CHUNK = 32
"""How many files a process decodes before it returns the results."""
_DEPTH = 8
"""How many decoded images per thread may wait for the consumer."""

ParallelMap = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Maps a function over files in threads, like `map`."""

Problems = dict[int, str]
"""Why a file could not be read, by its position."""


class Decoder(Protocol):
    """Turns files into pixels."""

    @property
    def word(self) -> str:
        """What a file holds, for messages: `image` or `video`."""

    @property
    def passes(self) -> int:
        """How often each file is opened, for the progress bar."""

    @property
    def cache_options(self) -> list[Any]:
        """Options, as JSON values, that each get a cache entry of their own."""

    @property
    def version(self) -> str:
        """Version of the decoding library."""

    def shape(self, root: Path, files: Sequence[ImageFile], parallel_map: ParallelMap, problems: Problems) -> tuple[int, ...]:
        """Choose the shape that all examples are decoded to.

        Args:
            root: Folder of the files, for messages.
            files: The files.
            parallel_map: Opens many of them at once.
            problems: Receives the files that cannot be read.

        Returns:
            The shape of one example.
        """

    def decode(self, path: ImageFile, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        """Decode a file to uint8 pixels, or say why it cannot be decoded."""

    def guess(self, files: Sequence[ImageFile]) -> tuple[int, ...] | None:
        """The shape that all examples have if they are like the first.

        Args:
            files: The files.

        Returns:
            The shape; None if it cannot be known without opening all files, or `shape` opens none.
        """

    def decode_alike(self, path: ImageFile, shape: tuple[int, ...]) -> NDArray[np.uint8] | str | None:
        """Decode a file as `decode` does if it agrees with the `shape` that was guessed; None if all need another shape."""

    def remarks(self) -> list[Remark]:
        """What there is to say about the files that were decoded, kept with their pixels."""

    def take_seen(self) -> Any:
        """What was noticed since the last call, for another process; None if this decoder is not to be used in several."""

    def add_seen(self, seen: Any) -> None:
        """Add what `take_seen` returned in another process."""


@dataclass(frozen=True)
class DecodedFiles:
    """The pixels of those of n files that could be read.

    Attributes:
        pixels: Images (k, c, h, w) or clips (k, c, t, h, w), uint8, read-only: they may be mapped from a file.
        kept: Mask (n,) of the files that could be read.
        sha256: SHA-256 of `pixels`.
    """

    pixels: Tensor
    kept: NDArray[np.bool_]
    sha256: str


def read_pixels(root: Path, files: Sequence[ImageFile], options: LoadOptions, decoder: Decoder) -> DecodedFiles:
    """Decode files, or load their pixels from the cache.

    Args:
        root: Folder of the files.
        files: The files, in the order of the result.
        options: `strict` raises for a file that cannot be read; else it is reported and skipped.
        decoder: Turns a file into pixels.

    Returns:
        The pixels, mapped from a file of the cache if they do not fit into memory as floats.

    Raises:
        InputError: If no file can be read, or with `strict` if one cannot.
        ResourceError: If neither memory nor disk suffices.
    """
    # The path of the entry identifies folder and options, its key the state of the files; see `PixelCache`.
    name = hashlib.sha256(json.dumps([str(root.resolve()), options.limit, *decoder.cache_options]).encode()).hexdigest()
    cache = PixelCache(folder() / f"{name}.safetensors", _key(root, files, options, decoder), options.report)
    with cache_lock(cache.file, f"another run is reading {root}", options.report):
        decoded = cache.find() or _decode(root, files, options, decoder, cache)
    _report_problems(root, files, decoded.problems, options, decoder.word)
    for remark in decoded.remarks:
        (options.report.warn if remark.warn else options.report.note)(f"{root}: {remark.text}")
    kept = np.ones(len(files), dtype=bool)
    kept[list(decoded.problems)] = False
    return DecodedFiles(decoded.pixels, kept, decoded.sha256)


def _key(root: Path, files: Sequence[ImageFile], options: LoadOptions, decoder: Decoder) -> str:
    """Hash of all that determines the pixels: names, sizes and times of the files, options, decoding library and our code."""
    stats = [identity(path, root) for path in files]
    code = hashlib.sha256(Path(str(sys.modules[type(decoder).__module__].__file__)).read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps([stats, decoder.cache_options, decoder.version, code]).encode()).hexdigest()


def _decode(root: Path, files: Sequence[ImageFile], options: LoadOptions, decoder: Decoder, cache: PixelCache) -> Decoded:
    forked = len(files) >= _LEAST_FORKED and may_fork() and decoder.take_seen() is not None
    processes = forked and all(isinstance(file, Path) for file in files)
    label, total = f"reading {root}, files", decoder.passes * len(files)
    with _pool(options.report, label, total, decoder if processes else None) as parallel_map:
        guessed = decoder.guess(files)
        if guessed is not None:  # most folders hold pictures of one size, and each is then opened once only
            found = parallel_map(partial(decoder.decode_alike, shape=guessed), files)
            with suppress(_OtherShapeError):
                return _store(_Results(found, range(len(files)), {}), guessed, decoder, cache)
            decoder.take_seen()
        problems: Problems = {}
        shape = decoder.shape(root, files, parallel_map, problems)
        readable = [k for k in range(len(files)) if k not in problems]
        found = parallel_map(partial(decoder.decode, shape=shape), [files[k] for k in readable])
        return _store(_Results(found, readable, problems), shape, decoder, cache)


class _OtherShapeError(Exception):
    """An example does not have the shape that was guessed for all."""


class _Results(NamedTuple):
    """What is decoded one after the other, at which positions, and why other files could not be read."""

    found: Iterator[NDArray[np.uint8] | str | None]
    positions: Sequence[int]
    problems: Problems


def _store(results: _Results, shape: tuple[int, ...], decoder: Decoder, cache: PixelCache) -> Decoded:
    """Put the examples, each of `shape`, into the cache and, if they fit there, into memory."""
    examples, most = _decoded_only(*results), (len(results.positions), *shape)
    if fits(5 * prod(most)):  # one byte per value, plus the float32 that it becomes
        return cache.save(*_filled(examples, most), results.problems, decoder.remarks)
    return cache.stream(examples, most, results.problems, decoder.remarks)


def _decoded_only(
    found: Iterable[NDArray[np.uint8] | str | None], positions: Iterable[int], problems: Problems
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images among the results for `positions`; reasons for failures go to `problems`."""
    for position, image in zip(positions, found, strict=True):
        if image is None:
            raise _OtherShapeError
        if isinstance(image, str):
            problems[position] = image
        else:
            yield image


def _filled(images: Iterable[NDArray[np.uint8]], shape: tuple[int, ...]) -> tuple[Tensor, str]:
    """All images in one array, and the SHA-256 of their bytes, computed while others are decoded."""
    pixels, number, digest = np.empty(shape, dtype=np.uint8), 0, hashlib.sha256()
    for image in images:
        pixels[number] = image
        digest.update(pixels[number].data)
        number += 1
    return torch.from_numpy(pixels[:number]), digest.hexdigest()


@contextmanager
def _pool(report: Reporter, label: str, total: int, forked: Decoder | None) -> Iterator[ParallelMap]:
    """A `map` over many files: in processes that hold copies of the decoder `forked`, or else in threads.

    Threads help because decoders release the interpreter lock; of small pictures they hold it most of the time.
    """
    workers = min(_MAX_THREADS, cores())
    # Pillow warns about odd metadata and large pictures for every file, which would flood the terminal.
    with report.task(label, total) as task, warnings.catch_warnings(action="ignore"), ExitStack() as opened:

        def parallel_map(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            if forked is None:
                found = prefetch(function, items, depth=_DEPTH * workers, workers=workers)
            else:
                found = _in_processes(function, list(items), forked, workers)
            return _counted(opened.enter_context(closing(found)), task)

        yield parallel_map


def _in_processes(
    function: Callable[[Any], Any], items: Sequence[Any], decoder: Decoder, workers: int
) -> Generator[Any, None, None]:
    """Map over chunks of the items in forked processes, each with its own decoder; what these noticed is added to `decoder`."""

    def run(chunk: Sequence[Any]) -> tuple[list[Any], Any]:
        return [function(item) for item in chunk], decoder.take_seen()

    chunks = [items[k : k + _CHUNK] for k in range(0, len(items), _CHUNK)]
    with closing(forked_map(run, chunks, workers)) as found:
        for results, seen in found:
            decoder.add_seen(seen)
            yield from results


def _counted(results: Iterator[Any], task: Task) -> Iterator[Any]:
    for result in results:
        task.advance()
        yield result


def _report_problems(root: Path, files: Sequence[ImageFile], problems: Problems, options: LoadOptions, word: str) -> None:
    lines = [f"{files[k]}: {why}" for k, why in sorted(problems.items())]
    if lines and options.strict:
        raise InputError(lines[0], hint="fix or remove the file, or drop `strict` to skip it")
    if len(lines) == len(files):
        raise InputError(f"{root}: none of its {count(len(files), word)} can be read, for example {lines[0]}")
    for line in lines[:_MAX_WARNINGS]:
        options.report.warn(f"{line}; skipped")
    if len(lines) > _MAX_WARNINGS:
        options.report.warn(f"{root}: {count(len(lines) - _MAX_WARNINGS, f'more {word}')} cannot be read; skipped")
