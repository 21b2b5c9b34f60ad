"""List every picture or video below a folder, whatever its folders mean, to predict its label."""

from pathlib import Path

from dlcli.core.data.base import LoadOptions
from dlcli.core.data.examples import Listing
from dlcli.core.data.file_kinds import PICTURES, VIDEOS, FileKind, all_files
from dlcli.core.data.labels_table import TABLES, table_in
from dlcli.core.data.listing import Search, list_files, read_errors, warn_unused
from dlcli.core.data.set_folders import named_folders, subfolders
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT


def list_unlabelled(root: Path, kind: FileKind, options: LoadOptions) -> Listing:
    """Every file of one kind below a folder, or the file itself, as a test set without classes.

    Args:
        root: The folder, in any arrangement, or a file.
        kind: Which files to list. Hidden files are ignored, others are reported.
        options: `report` receives warnings about files that are not used. With `split` only the files of this set are listed:
            those below its folder or, if no folder is named as a set, the set as `list_files` forms it.

    Returns:
        The files; with classes only where `list_files` forms the set.

    Raises:
        InputError: If there are no such files, or no such set.
    """
    split, report = options.split, options.report
    with read_errors(root):
        if root.is_file():
            return Listing({"test": Search(root.parent, kind, SILENT).files([root], [0])}, ())
        if split is None or (split == "test" and _is_flat(root)):
            return _below(root, Search(root, kind, report))
        sets = {} if table_in(root) is not None else named_folders(root)
        if not sets:
            return list_files(root, kind, options)
        if split not in sets:
            raise InputError(f"{root}: has no split '{split}'", hint=f"it has {', '.join(sets)}")
        report.note(f"{root}: the {split} set is the folder '{sets[split].name}'")
        return _below(sets[split], Search(root, kind, report))


def _is_flat(folder: Path) -> bool:
    """Whether nothing in it forms sets: neither folders nor a table."""
    return not subfolders(folder) and table_in(folder) is None


def _below(folder: Path, search: Search) -> Listing:
    every = list(all_files(folder))
    paths = [path for path in every if search.kind.matches(path)]
    if not paths:
        raise InputError(f"{folder}: contains no {search.kind.word}s")
    for other in (PICTURES, VIDEOS):
        mixed = [path for path in every if other is not search.kind and other.matches(path)]
        if mixed:
            first = mixed[0].relative_to(search.root)
            search.report.warn(f"{folder}: {count(len(mixed), other.word)} skipped, since a network takes either: {first} ...")
    taken = (search.kind, PICTURES, VIDEOS)
    strange = [path for path in every if path.name not in TABLES and not any(kind.matches(path) for kind in taken)]
    warn_unused(search.root, strange, search, "")
    return Listing({"test": search.files(paths, len(paths) * [0])}, ())
