"""List the pictures or videos of a folder with their classes and sets; no file is opened except labels.csv."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import FILE, Metadata, hold_out
from dlcli.core.data.file_kinds import PICTURES, VIDEOS, FileKind, all_files, composed
from dlcli.core.data.set_folders import set_folders, subfolders
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.read_tables import read_table
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table

TABLE = "labels.csv"
_TEST_SHARE = 1 / 5
_MAX_CLASSES = 100_000


@dataclass(frozen=True)
class Files:
    """Files, the indices of their classes y (n,) int64, and their metadata."""

    paths: list[Path]
    y: NDArray[np.int64]
    metadata: Metadata = field(default_factory=dict)

    def take(self, which: NDArray[Any]) -> "Files":
        """Select the files at the indices `which`, or where the mask `which` is true."""
        indices = np.flatnonzero(which) if which.dtype == bool else which
        metadata = {name: column[indices] for name, column in self.metadata.items()}
        return Files([self.paths[k] for k in indices], self.y[indices], metadata)


@dataclass(frozen=True)
class Listing:
    """The files of each set (train, test, dev, train-dev; test always exists), and the names of the classes."""

    sets: dict[str, Files]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Search:
    """The folder to search, the kind of files to find, and where to report other files."""

    root: Path
    kind: FileKind
    report: Reporter

    def files(self, paths: list[Path], y: list[int]) -> Files:
        """Files with their paths relative to `root` as metadata."""
        names = np.array([str(path.relative_to(self.root)) for path in paths], dtype=object)
        return Files(paths, np.array(y, dtype=np.int64), {FILE: names})


def list_files(root: Path, kind: FileKind, report: Reporter) -> Listing:
    """List the files of one kind below a folder, sorted.

    Args:
        root: The folder, with one folder per class, maybe under train and test; or with labels.csv.
        kind: Which files to list. Hidden files are ignored, others are reported.
        report: Receives warnings about files that are not used.

    Returns:
        The files of each set, and the classes.

    Raises:
        InputError: If there are fewer than two classes, if a set has a class that the training set lacks, or if pictures and
            videos are mixed.
    """
    search = Search(root, kind, report)
    with read_errors(root):
        if root.is_file():
            raise InputError(f"{root}: is {kind.described} and has no label", hint=kind.hint(Path("FOLDER")))
        return _from_table(root, search) if (root / TABLE).is_file() else _from_class_folders(root, search)


@contextmanager
def read_errors(root: Path) -> Iterator[None]:
    """Turn an OSError about a file or folder below `root` into an InputError that names it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or root}: cannot be read ({error.strerror})") from None


def is_file_of(kind: FileKind, path: Path) -> bool:
    """Whether `path` is a file of `kind`."""
    return kind.matches(path) and path.is_file()


def _from_class_folders(root: Path, search: Search) -> Listing:
    folders = subfolders(root)
    sets = set_folders(root, search.kind, search.report)
    if sets:
        loose = [path for path in root.iterdir() if path.is_file() and search.kind.matches(path)]
        warn_unused(root, loose, search, " in a set")
        return _from_set_folders(root, sets, search)
    if not folders:
        raise InputError(f"{root}: has no folder in it, and no {TABLE}", hint=search.kind.hint(root))
    classes, files = _classes_and_files(root, search)
    return Listing(_with_held_out_test(root, files, search.kind), classes)


def _from_set_folders(root: Path, folders: dict[str, Path], search: Search) -> Listing:
    # The training set defines the classes; without one, as for data to evaluate on, the test set does.
    leading = folders.get("train") or folders.get("test")
    if leading is None:
        raise InputError(f"{root}: has {' and '.join(folders)}, but neither train nor test", hint=search.kind.hint(root))
    classes, files = _classes_and_files(leading, search)
    sets = {name: files if path == leading else _other_set(path, leading, classes, search) for name, path in folders.items()}
    return Listing(sets if "test" in sets else {**sets, **_with_held_out_test(root, files, search.kind)}, classes)


def _classes_and_files(folder: Path, search: Search) -> tuple[tuple[str, ...], Files]:
    """The classes, which are the subfolders that contain such files, and all these files."""
    found = _files_classes_and_files(folder, search)
    for name in (name for name, paths in found.items() if not paths):
        search.report.warn(f"{folder / name}: contains no {search.kind.word}s, so '{name}' is not a class")
    classes = tuple(name for name, paths in found.items() if paths)
    if len(classes) < 2:
        has = f"{search.kind.word}s of one class only, '{classes[0]}'" if classes else f"no {search.kind.word}s in its folders"
        inside = folder / classes[0] if classes and len(subfolders(folder / classes[0])) > 1 else None
        hint = search.kind.hint(folder) if inside is None else f"if sets or classes are inside it, choose {inside} as `data`"
        raise InputError(f"{folder}: has {has}; at least two classes are needed", hint=hint)
    return classes, _files(found, classes, search)


def _other_set(folder: Path, leading: Path, classes: tuple[str, ...], search: Search) -> Files:
    """The files of another set, which may lack a class but must not have a new one."""
    found = _files_classes_and_files(folder, search)
    for name, paths in found.items():
        if paths and name not in classes:
            hint = f"add {search.kind.word}s of '{name}' to {leading}, or remove these"
            raise InputError(f"{folder / name}: {leading.name} has no class '{name}'", hint=hint)
    if not any(found.values()):
        raise InputError(f"{folder}: contains no {search.kind.word}s")
    return _files(found, classes, search)


def _files(found: dict[str, list[Path]], classes: tuple[str, ...], search: Search) -> Files:
    pairs = [(path, k) for k, name in enumerate(classes) for path in found.get(name, [])]
    return search.files([path for path, _ in pairs], [k for _, k in pairs])


def _files_classes_and_files(folder: Path, search: Search) -> dict[str, list[Path]]:
    """By class the files of its folder, all of them in the composed form of their names."""
    found: dict[str, list[Path]] = {}
    others = [path for path in folder.iterdir() if path.is_file()]
    for name in subfolders(folder):
        files = list(all_files(folder / name))
        found.setdefault(composed(name), []).extend(path for path in files if search.kind.matches(path))
        others += [path for path in files if not search.kind.matches(path)]
    _refuse_mixed(folder, others, search.kind)
    warn_unused(folder, others, search)
    return dict(sorted(found.items()))


def _refuse_mixed(folder: Path, others: Iterable[Path], kind: FileKind) -> None:
    for path in others:
        for other in (PICTURES, VIDEOS):
            if other is not kind and other.matches(path):
                raise InputError(
                    f"{path}: is {other.described} by its name, and {folder} holds {kind.word}s",
                    hint="keep images and videos apart",
                )


def first_kind(root: Path) -> FileKind | None:
    """The kind of the first picture or video below `root`; None if there is neither."""
    kinds = (next((kind for kind in (PICTURES, VIDEOS) if kind.matches(path)), None) for path in all_files(root))
    return next((kind for kind in kinds if kind is not None), None)


def warn_unused(folder: Path, paths: list[Path], search: Search, where: str = " in a class folder") -> None:
    """Report files that are not read, but for hidden ones.

    Args:
        folder: Which `paths` are below.
        paths: The files.
        search: What is read instead, and where to report.
        where: Where files would be read, for the message.
    """
    names = sorted(str(path.relative_to(folder)) for path in paths if not path.name.startswith("."))
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        search.report.warn(f"{folder}: skipped (not {search.kind.word}s{where}): {shown} ({len(names)} in total)")


def _with_held_out_test(root: Path, files: Files, kind: FileKind) -> dict[str, Files]:
    held = hold_out(files.y, _TEST_SHARE)
    if not held.any():
        message = f"{root}: no class has two {kind.word}s, so none can be held out for testing"
        raise InputError(message, hint=f"add {kind.word}s to a class")
    return {"train": files.take(~held), "test": files.take(held)}


def _from_table(root: Path, search: Search) -> Listing:
    """Read labels.csv: a test set, with labels of the column class_index or, without one, of name."""
    table = read_table(str(root / TABLE))
    files = _column(table, FILE)
    if files is None or not {"class_index", "name"} & set(table.columns):
        has = ", ".join(table.columns)
        raise InputError(f"{table.name}: has columns {has}; needs file, and class_index or name")
    if not files:
        raise InputError(f"{table.name}: has no rows")
    _check_unique(table, files)
    _refuse_mixed(root, map(Path, files), search.kind)
    named, indices = _column(table, "name"), _column(table, "class_index")
    names = None if named is None else list(map(composed, named))
    if indices is None:
        classes: tuple[str, ...] = tuple(sorted(set(names or [])))
        y = [classes.index(name) for name in names or []]
    else:
        y = [_class_index(table, row, cell) for row, cell in enumerate(indices, 1)]
        classes = _class_names(table, y, names)
    if len(classes) < 2:
        raise InputError(f"{table.name}: has one class only, '{classes[0]}'; at least two are needed")
    listed = set(map(composed, files))
    unlisted = len([path for path in root.iterdir() if search.kind.matches(path) and composed(path.name) not in listed])
    if unlisted:
        search.report.warn(f"{root}: skipped {count(unlisted, search.kind.word)} not listed in {TABLE}")
    metadata = {name: np.array(_column(table, name), dtype=object) for name in table.columns}
    return Listing({"test": Files(_paths(root, files), np.array(y, dtype=np.int64), metadata)}, classes)


def _paths(root: Path, files: list[str]) -> list[Path]:
    """The files of these names; where there is none, the one whose name has the same composed form."""
    missing = [name for name in files if not name.isascii() and not (root / name).exists()]
    there = {composed(str(path.relative_to(root))): path for path in all_files(root)} if missing else {}
    return [there.get(composed(name), root / name) if name in missing else root / name for name in files]


def _column(table: Table, name: str) -> list[str] | None:
    if name not in table.columns:
        return None
    k = table.columns.index(name)
    return [str(row[k]) for row in table.rows]


def _check_unique(table: Table, files: list[str]) -> None:
    rows: dict[str, int] = {}
    for row, name in enumerate(files, 1):
        if not name or name in rows:
            wrong = f"'{name}' is in row {rows[name]} too" if name else "is empty"
            raise InputError(f"{table.name}: row {row}, column 'file': {wrong}")
        rows[name] = row


def _class_index(table: Table, row: int, cell: str) -> int:
    text = cell.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < _MAX_CLASSES):
        raise InputError(
            f"{table.name}: row {row}, column 'class_index': '{cell}' is not a number from 0 to {_MAX_CLASSES - 1}"
        )
    return int(text)


def _class_names(table: Table, y: list[int], named: list[str] | None) -> tuple[str, ...]:
    """Names of the classes up to the largest index; a class without a name is called by its number."""
    names = [str(k) for k in range(max(y) + 1)]
    seen: dict[int, str] = {}
    for row, (k, name) in enumerate(zip(y, named or [], strict=False), 1):
        if seen.setdefault(k, name) != name:
            raise InputError(f"{table.name}: row {row}: class {k} is called '{name}' here and '{seen[k]}' above")
        names[k] = name
    return tuple(names)
