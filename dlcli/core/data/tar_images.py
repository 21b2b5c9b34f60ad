"""Images in tar archives, as WebDataset writes them: members of one name with several endings are one example."""

import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlcli.core.data.column_names import LABEL_COLUMNS
from dlcli.core.data.file_kinds import PICTURES, VIDEOS, holds_data
from dlcli.support.errors import DlcliError, InputError
from dlcli.support.plural import count

_BLOCK = 512
_MOST_IMAGE, _MOST_TEXT = 1 << 30, 1 << 20
"""Bytes that an image, and a label or a JSON object, may have."""
_PAX = ("pax_global_header",)


@dataclass(frozen=True)
class _Span:
    """Where a member begins and how long it is, in bytes."""

    start: int
    size: int


@dataclass
class TarShard:
    """A tar archive, an `ImageContainer` whose places are examples; nothing is extracted to disk.

    Attributes:
        path: The file.
        complete: Whether the archive has an end.
        names: The member that is the image of each example.
        cells: What else each has, by name: text of members such as .cls, and values of the object in .json.
    """

    path: Path
    complete: bool = True
    names: list[str] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    _spans: list[_Span] = field(default_factory=list)

    def read(self, place: int) -> bytes:
        """The bytes of an image, see `ImageContainer`."""
        return _bytes(self.path, self._spans[place])

    def add(self, image: str, cells: dict[str, Any], span: _Span) -> None:
        """Append an example."""
        self.names.append(image)
        self.cells.append(cells)
        self._spans.append(span)


def open_tar(path: Path) -> TarShard:
    """List the examples of an archive in its order.

    Raises InputError if it is compressed or damaged, has links or devices, or an example has several images.
    """
    shard = TarShard(path)
    samples: dict[str, dict[str, tuple[str, _Span]]] = {}
    for member in _members(shard):
        folder, _, file = member.name.rpartition("/")
        stem, _, ending = file.partition(".")
        key, ending = f"{folder}/{stem}" if folder else stem, ending.lower()
        known = samples.setdefault(key, {})
        if ending in known:
            raise InputError(f"{path}: has two members '{member.name}'")
        known[ending] = (member.name, _Span(member.offset_data, member.size))
    for key, parts in samples.items():
        _add(shard, key, parts)
    return shard


def _add(shard: TarShard, key: str, parts: dict[str, tuple[str, _Span]]) -> None:
    images = [ending for ending, (name, _) in parts.items() if PICTURES.matches(Path(name))]
    plain = [ending for ending in images if "." not in ending]
    images = plain or images
    if len(images) > 1:
        raise InputError(
            f"{shard.path}: example '{key}' has {count(len(images), 'image')} ({', '.join(images)}), and one is needed",
            hint="an example is what has one name up to its first point",
        )
    if any(VIDEOS.matches(Path(name)) for name, _ in parts.values()):
        raise InputError(f"{shard.path}: '{key}' is a video, which are not read from archives", hint="unpack the archive")
    if images:
        name, span = parts.pop(images[0])
        if span.size > _MOST_IMAGE:
            raise InputError(f"{shard.path}: '{name}' has {span.size:,} bytes, more than {_MOST_IMAGE:,}")
        shard.add(name, _cells(shard.path, parts), span)


def _cells(path: Path, parts: dict[str, tuple[str, _Span]]) -> dict[str, Any]:
    """What an example has besides its image; the object of .json comes first, so that a member of its own takes precedence."""
    cells: dict[str, Any] = {}
    if "json" in parts:
        name, span = parts["json"]
        cells |= _object(path, name, _text(path, name, span))
    for ending, (name, span) in parts.items():
        if ending in LABEL_COLUMNS or ending in ("txt", "text", "split", "set"):
            cells[ending] = _text(path, name, span).strip()
    return cells


def _text(path: Path, name: str, span: _Span) -> str:
    if span.size > _MOST_TEXT:
        raise InputError(f"{path}: '{name}' has {span.size:,} bytes, more than the {_MOST_TEXT:,} of a label")
    try:
        return _bytes(path, span).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: '{name}' is not text in UTF-8") from None


def _object(path: Path, name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: '{name}' is not JSON ({error})") from None
    if not isinstance(found, dict):
        return {"label": found} if isinstance(found, (int, str)) else {}
    return {str(key): value for key, value in found.items() if value is None or isinstance(value, (bool, int, float, str))}


def _members(shard: TarShard) -> Iterator[tarfile.TarInfo]:
    """The files of an archive; folders and hidden files are passed over."""
    path = shard.path
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                parts = member.name.removeprefix("./").split("/")
                if member.isdir() or member.name in _PAX or not all(map(holds_data, parts)):
                    continue
                if not member.isreg() or member.issparse():
                    what = "a link" if member.issym() or member.islnk() else "a device, a pipe or a sparse file"
                    raise InputError(f"{path}: '{member.name}' is {what}, which are not read", hint="store copies of the files")
                yield member
            end = archive.offset
    except DlcliError:
        raise
    except tarfile.ReadError as error:
        raise InputError(f"{path}: {_reason(path, error)}") from None
    except (OSError, tarfile.TarError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    # tarfile takes a damaged header for the end of the archive, and needs no end.
    last = _bytes(path, _Span(end, _BLOCK))
    shard.complete = len(last) == _BLOCK
    if any(last):
        raise InputError(f"{path}: is damaged at byte {end:,}", hint="copy or fetch it again")


def _reason(path: Path, error: Exception) -> str:
    if _bytes(path, _Span(0, 2)) == b"\x1f\x8b":
        return "is compressed, and members can only be read from a plain tar (gunzip it first)"
    return f"is not a complete tar archive ({error})"


def _bytes(path: Path, span: _Span) -> bytes:
    file = os.open(path, os.O_RDONLY)
    try:
        return os.pread(file, span.size, span.start)
    finally:
        os.close(file)


def class_names(folder: Path) -> Sequence[str]:
    """The lines of classes.txt in a folder, the names of classes by their indices; none without the file."""
    file = folder / "classes.txt"
    if not file.is_file():
        return ()
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error})") from None
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    if "" in names or len(set(names)) < len(names):
        raise InputError(f"{file}: has a blank line, or a name twice", hint="write one class per line")
    return names
