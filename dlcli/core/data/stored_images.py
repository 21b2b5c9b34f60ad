"""Images that are not files of their own but stored in one: a row of a parquet file, a member of a tar archive."""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dlcli.core.data.failures import file_state


class ImageContainer(Protocol):
    """A file that holds many encoded images."""

    @property
    def path(self) -> Path:
        """The file."""

    def read(self, place: int) -> bytes:
        """The encoded image at a place, such as a row; called from several threads.

        Raises ValueError if there is none, and InputError or ResourceError if the file cannot be read.
        """


@dataclass(frozen=True)
class StoredImage:
    """An image in a container.

    Attributes:
        container: What it is stored in.
        name: Its name in there, for messages and the metadata.
        place: Where it is, as the container counts.
    """

    container: ImageContainer
    name: str
    place: int

    def __str__(self) -> str:
        return f"{self.container.path}: {self.name}"


ImageFile = Path | StoredImage
"""A file of its own, or an image in a container."""


def path_of(file: ImageFile) -> Path:
    """The file on disk that holds an image."""
    return file if isinstance(file, Path) else file.container.path


def opened(file: ImageFile) -> Path | io.BytesIO:
    """What Pillow opens: the path of a file, or the bytes of a stored image."""
    return file if isinstance(file, Path) else io.BytesIO(file.container.read(file.place))


def identity(file: ImageFile, root: Path) -> list[str | int]:
    """What tells whether an image is still the same: its name, and the size and time of the file that holds it."""
    path = path_of(file)
    inside: list[str | int] = [] if isinstance(file, Path) else [file.name, file.place]
    return [relative_name(path, root), *inside, *file_state(path)]


def relative_name(path: Path, root: Path) -> str:
    """The name of a file relative to a folder, as os.path.relpath writes it, which takes ten times as long."""
    text, base = str(path), f"{root}{os.sep}"
    return text[len(base) :] if text.startswith(base) else os.path.relpath(path, root)
