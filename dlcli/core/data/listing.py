"""Which pictures or videos a folder holds, and of which class and set each is; nothing is opened but labels.csv."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import FILE, Metadata, hold_out
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.read_tables import read_table
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.tables import Table

TABLE = "labels.csv"
_SETS = {"train": "train", "test": "test", "val": "val", "dev": "dev", "train-dev": "train-dev", "train_dev": "train-dev"}
_TEST_SHARE = 1 / 5
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class FileKind:
    """Files that are of use: what one is called, without and with its article, their endings, and one such for a hint."""

    word: str
    name: str
    endings: frozenset[str]
    example: str

    def holds(self, path: Path) -> bool:
        """Whether the file is one, by its name; hidden ones are not."""
        return path.suffix.lower() in self.endings and not path.name.startswith(".")

    def hint(self, folder: Path) -> str:
        """How to put them into folders."""
        return f"make a folder a class, e.g. {folder}/{self.example}, or the same under {folder}/train and {folder}/test"


PICTURES = FileKind(
    "image",
    "a picture",
    frozenset(".bmp .gif .jfif .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split()),
    "cat/1.jpg",
)
VIDEOS = FileKind("video", "a video", frozenset(".avi .mkv .mov .mp4 .webm".split()), "run/1.mp4")


@dataclass(frozen=True)
class Files:
    """Image files and their classes, y (n,) int64, and what a table says of them besides."""

    paths: list[Path]
    y: NDArray[np.int64]
    metadata: Metadata = field(default_factory=dict)

    def take(self, which: NDArray[Any]) -> "Files":
        """The files at the indices `which`, or where the mask `which` is true."""
        indices = np.flatnonzero(which) if which.dtype == bool else which
        metadata = {name: column[indices] for name, column in self.metadata.items()}
        return Files([self.paths[k] for k in indices], self.y[indices], metadata)


@dataclass(frozen=True)
class Listing:
    """The files of each set (train, test, dev, train-dev; test always there), and the names of the classes."""

    sets: dict[str, Files]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class _Way:
    """What is looked for and where, and who hears of the rest."""

    root: Path
    kind: FileKind
    report: Reporter

    def files(self, paths: list[Path], y: list[int]) -> Files:
        """These, whose fact is what they are called from `root` on."""
        names = np.array([str(path.relative_to(self.root)) for path in paths], dtype=object)
        return Files(paths, np.array(y, dtype=np.int64), {FILE: names})


def list_files(root: Path, kind: FileKind, report: Reporter, *, unlabelled: bool = False) -> Listing:
    """The files of `kind` below `root`, sorted; hidden ones do not count, others are told to `report`.

    With `unlabelled`, `root` may be a file, or a flat folder of them without labels: a test set of no classes.
    Raises InputError if they are no two classes, if a set has a class that the training set has not, or if there are both
    pictures and videos.
    """
    way = _Way(root, kind, report)
    try:
        if root.is_file():
            return _alone(root, kind, unlabelled=unlabelled)
        if unlabelled and not _folders(root) and not (root / TABLE).is_file():
            return _flat(way)
        return _by_table(root, way) if (root / TABLE).is_file() else _by_folders(root, way)
    except OSError as error:
        raise InputError(f"{error.filename or root}: cannot be read ({error.strerror})") from None


def is_one(kind: FileKind, path: Path) -> bool:
    """Whether `path` is a file of `kind`."""
    return kind.holds(path) and path.is_file()


def _alone(file: Path, kind: FileKind, *, unlabelled: bool) -> Listing:
    if not unlabelled:
        raise InputError(f"{file}: is {kind.name} and has no label", hint=kind.hint(Path("FOLDER")))
    return Listing({"test": _Way(file.parent, kind, SILENT).files([file], [0])}, ())


def _flat(way: _Way) -> Listing:
    every = sorted(path for path in way.root.iterdir() if path.is_file())
    paths, others = [path for path in every if way.kind.holds(path)], [path for path in every if not way.kind.holds(path)]
    _refuse_mixed(way.root, others, way.kind)
    if not paths:
        raise InputError(f"{way.root}: holds no {way.kind.word}s")
    _tell_unused(way.root, others, way, "")
    return Listing({"test": way.files(paths, len(paths) * [0])}, ())


def _by_folders(root: Path, way: _Way) -> Listing:
    folders = _folders(root)
    sets = {name: root / name for name in folders if name in _SETS and _folders(root / name)}
    if sets:
        _tell_unused(root, [root / name for name in folders if name not in sets], way)
        return _by_sets(root, _named(root, sets), way)
    if not folders:
        raise InputError(f"{root}: has no folder in it, and no {TABLE}", hint=way.kind.hint(root))
    classes, files = _by_class(root, way)
    return Listing(_split_off(root, files, way.kind), classes)


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _named(root: Path, folders: dict[str, Path]) -> dict[str, Path]:
    """The folder of each set; `val` is the test set if there is no other, else the dev set."""
    named: dict[str, Path] = {}
    for folder, path in folders.items():
        name = _SETS[folder] if folder != "val" else "dev" if "test" in folders else "test"
        if name in named:
            raise InputError(f"{root}: both {named[name].name} and {folder} would be the {name} set", hint="rename one of them")
        named[name] = path
    return named


def _by_sets(root: Path, folders: dict[str, Path], way: _Way) -> Listing:
    # Data with no training set to say what classes there are is judged by its test set.
    leading = folders.get("train") or folders.get("test")
    if leading is None:
        raise InputError(f"{root}: has {' and '.join(folders)}, but neither train nor test", hint=way.kind.hint(root))
    classes, files = _by_class(leading, way)
    sets = {name: files if path == leading else _like(path, leading, classes, way) for name, path in folders.items()}
    return Listing(sets if "test" in sets else {**sets, **_split_off(root, files, way.kind)}, classes)


def _by_class(folder: Path, way: _Way) -> tuple[tuple[str, ...], Files]:
    """The classes, which are the sub-folders that hold such files, and all of these."""
    found = _files_by_class(folder, way)
    for name in (name for name, paths in found.items() if not paths):
        way.report.warn(f"{folder / name}: holds no {way.kind.word}s, so '{name}' is no class")
    classes = tuple(name for name, paths in found.items() if paths)
    if len(classes) < 2:
        has = f"{way.kind.word}s of one class only, '{classes[0]}'" if classes else f"no {way.kind.word}s in its folders"
        raise InputError(f"{folder}: has {has}; at least two classes are needed", hint=way.kind.hint(folder))
    return classes, _files(found, classes, way)


def _like(folder: Path, leading: Path, classes: tuple[str, ...], way: _Way) -> Files:
    """The files of another set; it may lack a class but have no new one."""
    found = _files_by_class(folder, way)
    for name, paths in found.items():
        if paths and name not in classes:
            hint = f"put {way.kind.word}s of '{name}' under {leading} too, or take these away"
            raise InputError(f"{folder / name}: {leading.name} has no class '{name}'", hint=hint)
    if not any(found.values()):
        raise InputError(f"{folder}: holds no {way.kind.word}s")
    return _files(found, classes, way)


def _files(found: dict[str, list[Path]], classes: tuple[str, ...], way: _Way) -> Files:
    pairs = [(path, k) for k, name in enumerate(classes) for path in found.get(name, [])]
    return way.files([path for path, _ in pairs], [k for _, k in pairs])


def _files_by_class(folder: Path, way: _Way) -> dict[str, list[Path]]:
    found, others = {}, [path for path in folder.iterdir() if path.is_file()]
    for name in _folders(folder):
        files = list(_walk(folder / name))
        found[name] = [path for path in files if way.kind.holds(path)]
        others += [path for path in files if not way.kind.holds(path)]
    _refuse_mixed(folder, others, way.kind)
    _tell_unused(folder, others, way)
    return found


def _refuse_mixed(folder: Path, others: Iterable[Path], kind: FileKind) -> None:
    for path in others:
        for other in (PICTURES, VIDEOS):
            if other is not kind and other.holds(path):
                raise InputError(
                    f"{path}: is {other.name} by its name, and {folder} holds {kind.word}s", hint="keep images and videos apart"
                )


def first_kind(root: Path) -> FileKind | None:
    """Of which kind the first file below `root` is that is of one."""
    kinds = (next((kind for kind in (PICTURES, VIDEOS) if kind.holds(path)), None) for path in _walk(root))
    return next((kind for kind in kinds if kind is not None), None)


def _walk(folder: Path) -> Iterable[Path]:
    """Every file below `folder`, folder by folder, each sorted; links to folders below it are not followed."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(base, name) for name in sorted(names))


def _tell_unused(folder: Path, paths: list[Path], way: _Way, where: str = " of a class") -> None:
    names = sorted(str(path.relative_to(folder)) for path in paths if not path.name.startswith("."))
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        way.report.warn(f"{folder}: left out as no {way.kind.word}s{where}: {shown} ({len(names)} in all)")


def _split_off(root: Path, files: Files, kind: FileKind) -> dict[str, Files]:
    held = hold_out(files.y, _TEST_SHARE)
    if not held.any():
        message = f"{root}: no class has two {kind.word}s, so none can be held out for testing"
        raise InputError(message, hint=f"add {kind.word}s to a class")
    return {"train": files.take(~held), "test": files.take(held)}


def _by_table(root: Path, way: _Way) -> Listing:
    """A test set only: labels by the column class_index where there is one, else by name."""
    table = read_table(str(root / TABLE))
    files = _column(table, FILE)
    if files is None or not {"class_index", "name"} & set(table.columns):
        has = ", ".join(table.columns)
        raise InputError(f"{table.name}: has columns {has}; needs file, and class_index or name")
    if not files:
        raise InputError(f"{table.name}: has no rows")
    _check_once(table, files)
    _refuse_mixed(root, map(Path, files), way.kind)
    named, indices = _column(table, "name"), _column(table, "class_index")
    if indices is None:
        classes: tuple[str, ...] = tuple(sorted(set(named or [])))
        y = [classes.index(name) for name in named or []]
    else:
        y = [_index(table, row, cell) for row, cell in enumerate(indices, 1)]
        classes = _names(table, y, named)
    if len(classes) < 2:
        raise InputError(f"{table.name}: has one class only, '{classes[0]}'; at least two are needed")
    unnamed = len([path for path in root.iterdir() if way.kind.holds(path) and path.name not in set(files)])
    if unnamed:
        way.report.warn(f"{root}: {count(unnamed, way.kind.word)} not in {TABLE} left out")
    metadata = {name: np.array(_column(table, name), dtype=object) for name in table.columns}
    return Listing({"test": Files([root / name for name in files], np.array(y, dtype=np.int64), metadata)}, classes)


def _column(table: Table, name: str) -> list[str] | None:
    if name not in table.columns:
        return None
    k = table.columns.index(name)
    return [str(row[k]) for row in table.rows]


def _check_once(table: Table, files: list[str]) -> None:
    rows: dict[str, int] = {}
    for row, name in enumerate(files, 1):
        if not name or name in rows:
            wrong = f"'{name}' is in row {rows[name]} too" if name else "is empty"
            raise InputError(f"{table.name}: row {row}, column 'file': {wrong}")
        rows[name] = row


def _index(table: Table, row: int, cell: str) -> int:
    text = cell.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < _MOST_CLASSES):
        raise InputError(f"{table.name}: row {row}, column 'class_index': '{cell}' is no number from 0 to {_MOST_CLASSES - 1}")
    return int(text)


def _names(table: Table, y: list[int], named: list[str] | None) -> tuple[str, ...]:
    """As many classes as the largest index asks for; one that no row names is called by its number."""
    names = [str(k) for k in range(max(y) + 1)]
    seen: dict[int, str] = {}
    for row, (k, name) in enumerate(zip(y, named or [], strict=False), 1):
        if seen.setdefault(k, name) != name:
            raise InputError(f"{table.name}: row {row}: class {k} is called '{name}' here and '{seen[k]}' above")
        names[k] = name
    return tuple(names)
