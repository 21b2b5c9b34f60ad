"""Cache decoded images: a safetensors file if they fit into memory, else a file of bytes that is mapped into memory."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dlcli.core.data.memmap import open_memmap, reserve_disk, write_images
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import read_json_metadata
from dlcli.support.memory import fits
from dlcli.support.reporter import Reporter


class Remark(NamedTuple):
    """A note on the files of a folder, or a warning that figures may be wrong."""

    text: str
    warn: bool = False


@dataclass(frozen=True)
class Decoded:
    """The pixels of the files that could be read.

    Attributes:
        pixels: Images (n, c, h, w) or clips (n, c, t, h, w), uint8.
        sha256: SHA-256 of `pixels`.
        problems: Why each other file could not be read, by its position.
        remarks: What there is to say about those that could.
    """

    pixels: Tensor
    sha256: str
    problems: dict[int, str]
    remarks: Sequence[Remark] = ()


@dataclass(frozen=True)
class PixelCache:
    """The cache entry of one folder of images: `file`, or a pair of files next to it ending in .bytes and .json.

    The path of the entry depends on the folder and the options, the `key` also on the files in it (names, sizes and times) and
    on the decoder. So a changed folder overwrites its old entry instead of leaving it behind, and an entry with another key is
    stale. Of the pair, .bytes is written first and .json last: if a run is killed in between, the entry does not count.
    The caller holds a lock on `file`, so that two runs never decode the same folder at once.

    Attributes:
        file: Path of the safetensors file.
        key: Hash of everything that determines the pixels.
        report: Receives warnings.
    """

    file: Path
    key: str
    report: Reporter

    def find(self) -> Decoded | None:
        """Load the entry; None if there is none with this key."""
        return self._find_tensors() or self._find_bytes()

    def save(
        self, pixels: Tensor, sha256: str, problems: dict[int, str], remarks: Callable[[], list[Remark]] = list
    ) -> Decoded:
        """Write pixels that are in memory; if that fails, the cache is not used and a warning is reported.

        Args:
            pixels: The images.
            sha256: SHA-256 of their bytes.
            problems: Why each other file could not be read.
            remarks: What there is to say about the images.
        """
        decoded = Decoded(pixels, sha256, problems, remarks())
        metadata = {"key": self.key, "problems": json.dumps(problems), "sha256": decoded.sha256}
        metadata["remarks"] = json.dumps(decoded.remarks)
        try:
            with atomic_path(self.file) as temporary:
                save_file({"pixels": pixels}, temporary, metadata=metadata)
            self._delete(".json", ".bytes")
        except (SafetensorError, OSError) as error:
            self.report.warn(f"{self.file}: cannot be cached for the next run ({getattr(error, 'strerror', None) or error})")
        return decoded

    def stream(
        self,
        images: Iterable[NDArray[np.uint8]],
        most: tuple[int, ...],
        problems: dict[int, str],
        remarks: Callable[[], list[Remark]] = list,
    ) -> Decoded:
        """Write images one by one and map the file.

        Args:
            images: The images, each (c, h, w).
            most: Their shape (n, c, h, w) if none fails to decode.
            problems: Complete once `images` is exhausted.
            remarks: Called then.

        Raises:
            ResourceError: If the disk has no room for them.
        """
        with suppress(OSError):  # the old entry is stale, and the new one may need its space
            self._delete(".json", ".bytes")
        with reserve_disk(prod(most)):
            with atomic_path(self._sibling(".bytes")) as temporary, temporary.open("wb") as file:
                number, sha256 = write_images(file, images)
            shape = (number, *most[1:])
            found = remarks()
            metadata = {"key": self.key, "shape": shape, "problems": problems, "remarks": found, "sha256": sha256}
            write_text(self._sibling(".json"), json.dumps(metadata))
            self._delete(self.file.suffix)
            return Decoded(open_memmap(self._sibling(".bytes"), shape), sha256, problems, found)

    def _find_tensors(self) -> Decoded | None:
        if not self.file.is_file() or not fits(self.file.stat().st_size):
            return None
        try:
            with safe_open(self.file, framework="pt") as stored:
                metadata: dict[str, str] = stored.metadata() or {}
                if metadata.get("key") != self.key:
                    return None
                pixels = stored.get_tensor("pixels")
        except (SafetensorError, OSError) as error:
            self._warn_damaged(self.file, f"is not a complete safetensors file ({str(error).partition(chr(10))[0]})")
            return None
        if _sha256(pixels) != metadata.get("sha256"):
            self._warn_damaged(self.file, "the pixels differ from those that were written")
            return None
        remarks = _remarks(json.loads(metadata.get("remarks", "[]")))
        return Decoded(pixels, metadata["sha256"], _by_position(metadata["problems"]), remarks)

    def _find_bytes(self) -> Decoded | None:
        file = self._sibling(".bytes")
        try:
            metadata = read_json_metadata(self._sibling(".json"))
            if metadata["key"] != self.key:
                return None
            shape, sha256 = tuple(metadata["shape"]), metadata["sha256"]
            if file.stat().st_size != prod(shape):
                self._warn_damaged(file, "has another length than when it was written")
                return None
            pixels = open_memmap(file, shape)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, InputError, ValueError, KeyError, TypeError):
            self._warn_damaged(file, "its .json file cannot be read")
            return None
        # Pixels that fit into memory are read completely anyway, so hashing them costs little. Streamed ones are checked by
        # length only: hashing them would read gigabytes at every start.
        if fits(4 * pixels.numel()) and _sha256(pixels) != sha256:
            self._warn_damaged(file, "the pixels differ from those that were written")
            return None
        problems = {int(k): reason for k, reason in metadata["problems"].items()}
        return Decoded(pixels, sha256, problems, _remarks(metadata.get("remarks", [])))

    def _sibling(self, ending: str) -> Path:
        return self.file.with_suffix(ending)

    def _delete(self, *endings: str) -> None:
        for ending in endings:
            self._sibling(ending).unlink(missing_ok=True)

    def _warn_damaged(self, file: Path, why: str) -> None:
        self.report.warn(f"{file}: {why}; the original files are read again")


def _remarks(entries: list[list[Any]]) -> list[Remark]:
    return [Remark(str(text), bool(warn)) for text, warn in entries]


def _by_position(problems: str) -> dict[int, str]:
    return {int(k): reason for k, reason in json.loads(problems).items()}


def _sha256(pixels: Tensor) -> str:
    return hashlib.sha256(pixels.numpy().data).hexdigest()
