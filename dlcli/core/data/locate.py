"""Find the files that the cells of a table name, as people write them: relative or absolute, without folder or ending."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlcli.core.data.file_kinds import PICTURES, VIDEOS, all_files, composed
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")


@dataclass(frozen=True)
class LocatedFiles:
    """Files by the cells that name them.

    Attributes:
        paths: A path for each cell; where there is no file, the one that was expected.
        names: The same relative to the folder, where they are in it.
        missing: Number of files that do not exist.
    """

    paths: list[Path]
    names: list[str]
    missing: int


def locate_files(source: str, root: Path, cells: Sequence[str], report: Reporter) -> LocatedFiles:
    """Find the files that cells name, relative to a folder.

    A file that is not there may be in any folder below, where exactly one has that name (and the folders before it), in any
    form of Unicode, and with the ending of an image or a video if the cell has none. Absolute paths of another place, such as
    another machine, are those below the folder that agree once the same folders are taken off the front of each.

    Args:
        source: Name of the table, for messages.
        root: The folder.
        cells: What names the files; backslashes separate folders too.
        report: Receives a warning if files are outside of the folder, and a note if absolute paths are of another place.

    Returns:
        The files.

    Raises:
        InputError: If several files below the folder may be meant.
    """
    base, index = os.path.abspath(root), _Index(source, root)
    paths, names, missing, outside = [], [], 0, []
    texts = [cell.strip().replace("\\", "/") for cell in cells]
    moved = _moved_from(root, texts)
    if moved:
        report.note(f"{source}: files in {moved} are read from {root}")
    for row, text in enumerate(texts, 1):
        text = text.removeprefix(moved)
        path = os.path.normpath(os.path.join(root, text))
        if not os.path.isfile(path):
            found = None if os.path.isabs(text) else index.find(row, os.path.normpath(text))
            missing += found is None
            path = path if found is None else str(found)
        inside = os.path.relpath(os.path.abspath(path), base)
        if inside.startswith(".."):
            outside.append(row)
        paths.append(Path(path))
        names.append(text if inside.startswith("..") else inside.replace(os.sep, "/"))
    if outside:
        where = f"row {outside[0]}: {cells[outside[0] - 1]}"
        report.warn(f"{source}: {count(len(outside), 'file')} outside of {root} ({where})")
    return LocatedFiles(paths, names, missing)


def _moved_from(root: Path, texts: Sequence[str]) -> str:
    """The front of absolute paths that do not exist, without which the first of them names a file below `root`, or empty."""
    first = next((text for text in texts if _ABSOLUTE.match(text)), "")
    if not first or os.path.isfile(first):
        return ""
    ends = [k + 1 for k, letter in enumerate(first) if letter == "/"]
    return next((first[:end] for end in ends if os.path.isfile(os.path.join(root, first[end:]))), "")


class _Index:
    """The files below a folder by their last name, listed when the first is looked for."""

    def __init__(self, source: str, root: Path) -> None:
        self._source, self._root = source, root
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, row: int, text: str) -> Path | None:
        """The only file whose path ends in `text`, with or without an ending; None if there is none."""
        parts = composed(text).split("/")
        if self._by_name is None:
            self._by_name = self._listed()
        found = [path for path in self._by_name.get(parts[-1], []) if _ends_in(path, parts)]
        if len(found) > 1:
            both = " and ".join(str(path.relative_to(self._root)) for path in found[:2])
            raise InputError(
                f"{self._source}: row {row}: '{text}' may be {both} ({len(found)} such files)",
                hint=f"name the files with their folders, relative to {self._root}",
            )
        return found[0] if found else None

    def _listed(self) -> dict[str, list[Path]]:
        by_name = defaultdict(list)
        for path in all_files(self._root):
            by_name[composed(path.name)].append(path)
            if PICTURES.matches(path) or VIDEOS.matches(path):
                by_name[composed(path.stem)].append(path)
        return by_name


def _ends_in(path: Path, parts: list[str]) -> bool:
    return [composed(part) for part in path.parts[-len(parts) : -1]] == parts[:-1]
