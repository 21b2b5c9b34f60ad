"""Kinds of files by the endings of their names, and the files below a folder."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlcli.support.errors import InputError


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
        return (
            f"use one folder per class, such as {folder}/{self.example}, or the same under {folder}/train and {folder}/test; "
            f"one class is enough under {folder}/test alone, to evaluate"
        )


PICTURES = FileKind(
    "image",
    "a picture",
    frozenset(".avif .bmp .gif .jfif .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split()),
    "cat/1.jpg",
)
VIDEOS = FileKind(
    "video",
    "a video",
    frozenset(".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .webm .wmv".split()),
    "run/1.mp4",
)
SOUNDS = FileKind("sound", "a sound", frozenset({".wav"}), "yes/1.wav")
TEXTS = FileKind("text", "a text", frozenset({".txt"}), "spam/1.txt")
KINDS = (PICTURES, VIDEOS, SOUNDS, TEXTS)
"""All kinds that a table of labels may name."""

_NOT_DATA = frozenset(
    "@eadir @recycle #recycle $recycle.bin __macosx __pycache__ lost+found".split() + ["system volume information"]
)
"""Folders that storage devices, archives and operating systems add, in lower case: thumbnails, waste baskets and the like."""


def holds_data(name: str) -> bool:
    """Whether a folder of this name is looked into: not if it is hidden, or one that a system adds."""
    return not name.startswith(".") and name.lower() not in _NOT_DATA


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC): file systems keep the same name in several, such as that of a Mac."""
    return unicodedata.normalize("NFC", name)


def all_files(folder: Path, *, follow: bool = True, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """Every file below `folder`, folder by folder, each sorted.

    Args:
        folder: Where to look.
        follow: Follow links to folders, but not to a folder that the link is in.
        above: Device and inode of the folders that it is in.

    Raises:
        InputError: If a folder may not be read: without it the files would be other ones.
    """
    try:
        state = os.stat(folder)
        with os.scandir(folder) as entries:
            folders = {entry.name: entry.is_dir() and (follow or not entry.is_symlink()) for entry in entries}
    except PermissionError as error:
        raise InputError(f"{error.filename or folder}: may not be read", hint="check the permissions of the folder") from None
    except OSError:
        return
    here = (state.st_dev, state.st_ino)
    if here in above:
        return
    linked = {name for name in folders if not folders[name] and not follow and Path(folder, name).is_dir()}
    yield from (Path(folder, name) for name in sorted(folders) if not folders[name] and name not in linked)
    for name in sorted(name for name, is_folder in folders.items() if is_folder and holds_data(name)):
        yield from all_files(Path(folder, name), follow=follow, above=above | {here})


def has_files(kind: FileKind, folder: Path) -> bool:
    """Whether there is a file of `kind` anywhere below `folder`."""
    return any(map(kind.matches, all_files(folder)))
