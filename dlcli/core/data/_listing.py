"""Which image files a folder holds, and of which class and set each is; nothing is opened but labels.csv."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import Facts, hold_out
from dlcli.support.errors import InputError
from dlcli.support.read_tables import read_table
from dlcli.support.report import Report
from dlcli.support.tables import Table
from dlcli.support.words import count

TABLE = "labels.csv"
_ENDINGS = frozenset(".bmp .gif .jfif .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split())
_SETS = {"train": "train", "test": "test", "val": "val", "dev": "dev", "train-dev": "train-dev", "train_dev": "train-dev"}
_TEST_SHARE = 1 / 5
_MOST_CLASSES = 100_000
_HINT = "make a folder a class, e.g. {0}/cat/1.jpg, or the same under {0}/train and {0}/test"


@dataclass(frozen=True)
class Files:
    """Image files and their classes, y (n,) int64, and what a table says of them besides."""

    paths: list[Path]
    y: NDArray[np.int64]
    facts: Facts = field(default_factory=dict)

    def take(self, which: NDArray[Any]) -> "Files":
        """The files at the indices `which`, or where the mask `which` is true."""
        indices = np.flatnonzero(which) if which.dtype == bool else which
        facts = {name: column[indices] for name, column in self.facts.items()}
        return Files([self.paths[k] for k in indices], self.y[indices], facts)


@dataclass(frozen=True)
class Listing:
    """The files of each set (train, test, dev, train-dev; test always there), and the names of the classes."""

    sets: dict[str, Files]
    classes: tuple[str, ...]


def list_images(root: Path, report: Report) -> Listing:
    """The files below `root`, sorted; hidden ones do not count, others that are no images are told to `report`.

    Raises InputError if they are no two classes, or if a set has a class that the training set has not.
    """
    try:
        return _by_table(root, report) if (root / TABLE).is_file() else _by_folders(root, report)
    except OSError as error:
        raise InputError(f"{error.filename or root}: cannot be read ({error.strerror})") from None


def _by_folders(root: Path, report: Report) -> Listing:
    folders = _folders(root)
    sets = {name: root / name for name in folders if name in _SETS and _folders(root / name)}
    if sets:
        _tell_unused(root, [root / name for name in folders if name not in sets], report)
        return _by_sets(root, _named(root, sets), report)
    if not folders:
        raise InputError(f"{root}: has no folder in it, and no {TABLE}", hint=_HINT.format(root))
    classes, files = _by_class(root, report)
    return Listing(_split_off(root, files), classes)


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


def _by_sets(root: Path, folders: dict[str, Path], report: Report) -> Listing:
    # Data with no training set to say what classes there are is judged by its test set.
    leading = folders.get("train") or folders.get("test")
    if leading is None:
        raise InputError(f"{root}: has {' and '.join(folders)}, but neither train nor test", hint=_HINT.format(root))
    classes, files = _by_class(leading, report)
    sets = {name: files if path == leading else _like(path, leading, classes, report) for name, path in folders.items()}
    return Listing(sets if "test" in sets else {**sets, **_split_off(root, files)}, classes)


def _by_class(folder: Path, report: Report) -> tuple[tuple[str, ...], Files]:
    """The classes, which are the sub-folders that hold images, and all files."""
    found = _images_by_class(folder, report)
    for name in (name for name, paths in found.items() if not paths):
        report.warn(f"{folder / name}: holds no images, so '{name}' is no class")
    classes = tuple(name for name, paths in found.items() if paths)
    if len(classes) < 2:
        has = f"images of one class only, '{classes[0]}'" if classes else "no images in its folders"
        raise InputError(f"{folder}: has {has}; at least two classes are needed", hint=_HINT.format(folder))
    return classes, _files(found, classes)


def _like(folder: Path, leading: Path, classes: tuple[str, ...], report: Report) -> Files:
    """The files of another set; it may lack a class but have no new one."""
    found = _images_by_class(folder, report)
    for name, paths in found.items():
        if paths and name not in classes:
            hint = f"put images of '{name}' under {leading} too, or take these away"
            raise InputError(f"{folder / name}: {leading.name} has no class '{name}'", hint=hint)
    if not any(found.values()):
        raise InputError(f"{folder}: holds no images")
    return _files(found, classes)


def _files(found: dict[str, list[Path]], classes: tuple[str, ...]) -> Files:
    pairs = [(path, k) for k, name in enumerate(classes) for path in found.get(name, [])]
    return Files([path for path, _ in pairs], np.array([k for _, k in pairs], dtype=np.int64))


def _images_by_class(folder: Path, report: Report) -> dict[str, list[Path]]:
    found, others = {}, [path for path in folder.iterdir() if path.is_file()]
    for name in _folders(folder):
        files = list(_walk(folder / name))
        found[name] = [path for path in files if _is_image(path)]
        others += [path for path in files if not _is_image(path)]
    _tell_unused(folder, others, report)
    return found


def _walk(folder: Path) -> Iterable[Path]:
    """Every file below `folder`, folder by folder, each sorted; links to folders below it are not followed."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(base, name) for name in sorted(names))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and not path.name.startswith(".")


def _tell_unused(folder: Path, paths: list[Path], report: Report) -> None:
    names = sorted(str(path.relative_to(folder)) for path in paths if not path.name.startswith("."))
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        report.warn(f"{folder}: left out as no images of a class: {shown} ({len(names)} in all)")


def _split_off(root: Path, files: Files) -> dict[str, Files]:
    held = hold_out(files.y, _TEST_SHARE)
    if not held.any():
        raise InputError(f"{root}: no class has two images, so none can be kept for testing", hint="add images to a class")
    return {"train": files.take(~held), "test": files.take(held)}


def _by_table(root: Path, report: Report) -> Listing:
    """A test set only: labels by the column class_index where there is one, else by name."""
    table = read_table(str(root / TABLE))
    files = _column(table, "file")
    if files is None or not {"class_index", "name"} & set(table.columns):
        has = ", ".join(table.columns)
        raise InputError(f"{table.name}: has columns {has}; needs file, and class_index or name")
    if not files:
        raise InputError(f"{table.name}: has no rows")
    _check_once(table, files)
    named, indices = _column(table, "name"), _column(table, "class_index")
    if indices is None:
        classes: tuple[str, ...] = tuple(sorted(set(named or [])))
        y = [classes.index(name) for name in named or []]
    else:
        y = [_index(table, row, cell) for row, cell in enumerate(indices, 1)]
        classes = _names(table, y, named)
    if len(classes) < 2:
        raise InputError(f"{table.name}: has one class only, '{classes[0]}'; at least two are needed")
    unnamed = len([path for path in root.iterdir() if _is_image(path) and path.name not in set(files)])
    if unnamed:
        report.warn(f"{root}: {count(unnamed, 'image')} not in {TABLE} left out")
    facts = {name: np.array(_column(table, name), dtype=object) for name in table.columns}
    return Listing({"test": Files([root / name for name in files], np.array(y, dtype=np.int64), facts)}, classes)


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
