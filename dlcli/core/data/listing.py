"""List the pictures or videos of a folder with their classes and sets; no file is opened except the table of labels."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlcli.core.data.base import CLASS, FILE, SCORE, LoadOptions
from dlcli.core.data.class_labels import class_order
from dlcli.core.data.examples import Files, Listing, with_held_out_test
from dlcli.core.data.file_kinds import PICTURES, VIDEOS, FileKind, all_files, composed
from dlcli.core.data.groups import NoGroupsError
from dlcli.core.data.labels_table import TABLES, list_table, open_table, table_in
from dlcli.core.data.score_labels import OUTPUT, check_scores, score_of_folder
from dlcli.core.data.set_folders import set_folders, subfolders
from dlcli.core.data.stored_images import relative_name
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter


@dataclass(frozen=True)
class Search:
    """The folder to search, the kind of files to find, where to report other files, and what folders are called by."""

    root: Path
    kind: FileKind
    report: Reporter
    target: str = CLASS

    def files(self, paths: list[Path], y: Sequence[float]) -> Files:
        """Files with their paths relative to `root` as metadata."""
        names = np.array([relative_name(path, self.root) for path in paths], dtype=object)
        return Files(paths, np.array(y, dtype=np.float64 if self.target == SCORE else np.int64), {FILE: names})


def list_files(root: Path, kind: FileKind, options: LoadOptions) -> Listing:
    """List the files of one kind below a folder, sorted.

    Args:
        root: The folder, with one folder per class, maybe under train and test; or with labels.csv.
        kind: Which files to list. Hidden files are ignored, others are reported.
        options: `report` receives warnings about files that are not used; `label_column` names a column of the table.

    Returns:
        The files of each set, and the classes.

    Raises:
        InputError: If there are fewer than two classes, if a set has a class that the training set lacks, or if pictures and
            videos are mixed.
    """
    search, table = Search(root, kind, options.report, options.target), table_in(root)
    with read_errors(root):
        if root.is_file():
            raise InputError(f"{root}: is {kind.described} and has no label", hint=kind.hint(Path("FOLDER")))
        if table is not None:
            return _from_table(root, table, kind, options)
        if options.label_column is not None:
            name = "score_column" if options.target == SCORE else "label_column"
            message = f"{root}: has no {TABLES[0]}, and so no column '{options.label_column}' (`{name}`)"
            raise InputError(message, hint=f"add one to the folder, name a table as `data`, or omit `{name}`")
        if options.group is not None:
            raise NoGroupsError(f"`group`: {root} has no {TABLES[0]}, whose columns name groups", hint="add one to the folder")
        return _from_class_folders(root, search)


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
        raise InputError(f"{root}: has no folder in it, and no {TABLES[0]}", hint=search.kind.hint(root))
    classes, files = _classes_and_files(root, search)
    return Listing(with_held_out_test(str(root), files, search.kind.word), classes)


def _from_set_folders(root: Path, folders: dict[str, Path], search: Search) -> Listing:
    # The training set defines the classes; without one, as for data to evaluate on, the test set does.
    leading = folders.get("train") or folders.get("test")
    if leading is None:
        raise InputError(f"{root}: has {' and '.join(folders)}, but neither train nor test", hint=search.kind.hint(root))
    classes, files = _classes_and_files(leading, search, least=2 if "train" in folders else 1)
    sets = {name: files if path == leading else _other_set(path, leading, classes, search) for name, path in folders.items()}
    return Listing(sets if "test" in sets else {**sets, **with_held_out_test(str(root), files, search.kind.word)}, classes)


def _classes_and_files(folder: Path, search: Search, least: int = 2) -> tuple[tuple[str, ...], Files]:
    """The classes, which are the subfolders that contain such files, at least `least`, and all these files."""
    found = _files_classes_and_files(folder, search)
    for name in (name for name, paths in found.items() if not paths):
        search.report.warn(f"{folder / name}: contains no {search.kind.word}s, so '{name}' is not a class")
    there = [name for name, paths in found.items() if paths]
    if search.target == SCORE and there:
        return OUTPUT, _scored_files(folder, found, search)
    classes = tuple(class_order(there))
    if len(classes) < least:
        has = f"{search.kind.word}s of one class only, '{classes[0]}'" if classes else f"no {search.kind.word}s in its folders"
        inside = folder / classes[0] if classes and len(subfolders(folder / classes[0])) > 1 else None
        hint = search.kind.hint(folder) if inside is None else f"if sets or classes are inside it, choose {inside} as `data`"
        needed = "at least two classes are needed" if least > 1 else "a class is needed"
        raise InputError(f"{folder}: has {has}; {needed}", hint=hint)
    return classes, _files(found, classes, search)


def _other_set(folder: Path, leading: Path, classes: tuple[str, ...], search: Search) -> Files:
    """The files of another set, which may lack a class but must not have a new one."""
    found = _files_classes_and_files(folder, search)
    if search.target == SCORE and any(found.values()):
        return _scored_files(folder, found, search)
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


def _scored_files(folder: Path, found: dict[str, list[Path]], search: Search) -> Files:
    """The files of folders that are called by their scores, sorted by score as those of a table are."""
    scores = {name: score_of_folder(str(folder), name) for name, paths in found.items() if paths}
    check_scores(f"{folder}: the folders", np.array(list(scores.values())))
    search.report.note(f"{folder}: the names of its {count(len(scores), 'folder')} are the scores")
    pairs = [(path, scores[name]) for name in sorted(scores, key=lambda name: (scores[name], name)) for path in found[name]]
    return search.files([path for path, _ in pairs], [score for _, score in pairs])


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


def _from_table(root: Path, table: Path, kind: FileKind, options: LoadOptions) -> Listing:
    opened = open_table(table, options.report)
    listing = list_table(opened, kind, options)
    listed = {composed(os.path.normpath(path)) for path in opened.paths}
    below = (path for path in all_files(root) if kind.matches(path))
    unlisted = sum(composed(os.path.normpath(path)) not in listed for path in below)
    if unlisted:
        options.report.warn(f"{root}: skipped {count(unlisted, kind.word)} not listed in {table.name}")
    return listing
