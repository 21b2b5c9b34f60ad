"""Kinds of files by the endings of their names, and the files below a folder."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileKind:
    """A kind of files to load.

    Attributes:
        word: What one holds, such as `image`.
        described: The same with its article, such as `a picture`.
        suffixes: Endings of their names, in lower case.
        example: Path of such a file in the folder of its class, for hints.
    """

    word: str
    described: str
    suffixes: frozenset[str]
    example: str

    def matches(self, path: Path) -> bool:
        """Whether a file is of this kind by its name; hidden files are not."""
        return path.suffix.lower() in self.suffixes and not path.name.startswith(".")

    def hint(self, folder: Path) -> str:
        """How to arrange the files in folders."""
        return f"use one folder per class, such as {folder}/{self.example}, or the same under {folder}/train and {folder}/test"


PICTURES = FileKind(
    "image",
    "a picture",
    frozenset(".bmp .gif .jfif .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split()),
    "cat/1.jpg",
)
VIDEOS = FileKind("video", "a video", frozenset(".avi .mkv .mov .mp4 .webm".split()), "run/1.mp4")


def all_files(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, folder by folder, each sorted; links to folders are not followed."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(base, name) for name in sorted(names))


def has_files(kind: FileKind, folder: Path) -> bool:
    """Whether there is a file of `kind` anywhere below `folder`."""
    return any(map(kind.matches, all_files(folder)))
