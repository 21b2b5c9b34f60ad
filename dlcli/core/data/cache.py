"""Decoded images in the cache: a safetensors file of those that fit into memory, a file of bytes of those that do not."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dlcli.core.data.memmap import open_memmap, reserve_disk, write_images
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.memory import fits
from dlcli.support.reporter import Reporter


@dataclass(frozen=True)
class Decoded:
    """Pixels (n, c, h, w) or (n, c, t, h, w) uint8 of the files that could be read, and their SHA-256.

    `problems` says by position why each other could not be read.
    """

    pixels: Tensor
    sha256: str
    problems: dict[int, str]


@dataclass(frozen=True)
class PixelCache:
    """Where images are kept, `file` and two beside it, and the `key` that says which these must be.

    Of the two beside, the bytes are written first and what they are last, so that whatever is found is whole.
    """

    file: Path
    key: str
    report: Reporter

    def find(self) -> Decoded | None:
        """What is kept, if it is of these very images; what is of older ones will be written over."""
        return self._tensors() or self._bytes()

    def save(self, pixels: Tensor, problems: dict[int, str]) -> Decoded:
        """Keep pixels that are in memory; only warns if that cannot be."""
        decoded = Decoded(pixels, _sha256(pixels), problems)
        metadata = {"key": self.key, "problems": json.dumps(problems), "sha256": decoded.sha256}
        try:
            with atomic_path(self.file) as temporary:
                save_file({"pixels": pixels}, temporary, metadata=metadata)
            self._forget(".json", ".bytes")
        except (SafetensorError, OSError) as error:
            self.report.warn(f"{self.file}: not kept for the next run ({getattr(error, 'strerror', None) or error})")
        return decoded

    def stream(self, images: Iterable[NDArray[np.uint8]], most: tuple[int, ...], problems: dict[int, str]) -> Decoded:
        """Keep images, at most of the shape `most` (n, c, h, w), without ever having them all in memory.

        `problems` is complete once the images are exhausted. Raises ResourceError if the disk does not hold them.
        """
        with suppress(OSError):  # what is kept is of no use any more, and its room is needed
            self._forget(".json", ".bytes")
        with reserve_disk(prod(most)):
            with atomic_path(self._beside(".bytes")) as temporary, temporary.open("wb") as file:
                number, sha256 = write_images(file, images)
            shape = (number, *most[1:])
            metadata = {"key": self.key, "shape": shape, "problems": problems, "sha256": sha256}
            write_text(self._beside(".json"), json.dumps(metadata))
            self._forget(self.file.suffix)
            return Decoded(open_memmap(self._beside(".bytes"), shape), sha256, problems)

    def _tensors(self) -> Decoded | None:
        if not self.file.exists() or not fits(self.file.stat().st_size):
            return None
        try:
            with safe_open(self.file, framework="pt") as kept:
                metadata: dict[str, str] = kept.metadata() or {}
                if metadata.get("key") != self.key:
                    return None
                pixels = kept.get_tensor("pixels")
        except (SafetensorError, OSError) as error:
            self._refuse(self.file, f"not a whole safetensors file ({str(error).partition(chr(10))[0]})")
            return None
        if _sha256(pixels) != metadata.get("sha256"):
            self._refuse(self.file, "the pixels are not those that were kept")
            return None
        return Decoded(pixels, metadata["sha256"], _by_position(metadata["problems"]))

    def _bytes(self) -> Decoded | None:
        file = self._beside(".bytes")
        try:
            metadata = json.loads(self._beside(".json").read_text(encoding="utf-8"))
            if metadata["key"] != self.key:
                return None
            shape, sha256 = tuple(metadata["shape"]), metadata["sha256"]
            if file.stat().st_size != prod(shape):
                self._refuse(file, "not as long as it was")
                return None
            pixels = open_memmap(file, shape)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError):
            self._refuse(file, "what is said of it beside it cannot be read")
            return None
        # What will be read whole anyway is checked whole; else gigabytes would be read at every start.
        if fits(4 * pixels.numel()) and _sha256(pixels) != sha256:
            self._refuse(file, "the pixels are not those that were kept")
            return None
        return Decoded(pixels, sha256, {int(k): reason for k, reason in metadata["problems"].items()})

    def _beside(self, ending: str) -> Path:
        return self.file.with_suffix(ending)

    def _forget(self, *endings: str) -> None:
        for ending in endings:
            self._beside(ending).unlink(missing_ok=True)

    def _refuse(self, file: Path, why: str) -> None:
        self.report.warn(f"{file}: {why}; what it was made of is read anew")


def _by_position(problems: str) -> dict[int, str]:
    return {int(k): reason for k, reason in json.loads(problems).items()}


def _sha256(pixels: Tensor) -> str:
    return hashlib.sha256(pixels.numpy().data).hexdigest()
