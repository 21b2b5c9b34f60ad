"""Folders whose files are sequences: a folder per class, maybe under train and test, or with labels.csv."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from dlcli.core.data.base import FILE, LoadOptions
from dlcli.core.data.examples import Files, path_order, with_held_out_test
from dlcli.core.data.file_kinds import FileKind, all_files
from dlcli.core.data.labels_table import table_in
from dlcli.core.data.listing import list_files
from dlcli.core.data.sequences.base import Floats, SequenceOptions, Sequences
from dlcli.core.data.set_folders import set_folders, subfolders
from dlcli.core.data.unlabelled import list_unlabelled
from dlcli.support.reporter import SILENT

PREFIX = "prefix"
"""Metadata column of what the name of a file begins with, up to the first _ or -: often who speaks."""

Reader = Callable[[Sequence[Path]], Sequence[Floats]]
"""Turns files into sequences (channels, t)."""

_FIRST = re.compile(r"[^_\-.]+")


def holds(kind: FileKind, spec: str) -> bool:
    """Whether `spec` is a file of a kind, or a folder with some anywhere below."""
    path = Path(spec)
    return (kind.matches(path) and path.is_file()) or (path.is_dir() and any(map(kind.matches, all_files(path))))


def listed(spec: str, kind: FileKind, options: SequenceOptions) -> dict[str, Files]:
    """The files of each set, or of "" where they are not divided: those of a folder without classes, if none are needed.

    Args:
        spec: A folder or, without labels, a file.
        kind: Which files to list.
        options: How to load them.

    Returns:
        The files, with metadata `file` and PREFIX, and the classes as `class`.

    Raises:
        InputError: See `list_files`.
    """
    root = Path(spec)
    table, folders = table_in(root) is not None, root.is_dir() and bool(subfolders(root))
    load = LoadOptions(
        report=options.report,
        label_column=options.label_column,
        group=options.group if table else None,
        unlabelled=options.unlabelled,
        split=options.split,
    )
    if options.unlabelled or not (options.labels or table or folders):
        listing = list_unlabelled(root, kind, load)
        files = _described(listing.sets[options.split if options.split in listing.sets else "test"], ())
        return {"": files}
    listing = list_files(root, kind, load)
    sets = {key: _described(files, listing.classes) for key, files in listing.sets.items()}
    if options.group is not None and not table and not set_folders(root, kind, SILENT):
        return _by_group(spec, sets, kind.word, options.group)
    return sets


def _described(files: Files, classes: tuple[str, ...]) -> Files:
    names = [str(name) for name in files.metadata[FILE]]
    prefixes = [found[0] if (found := _FIRST.match(Path(name).name)) else "" for name in names]
    more = {PREFIX: np.array(prefixes, dtype=object)}
    more |= {"class": np.array([classes[k] for k in files.y], dtype=object)} if classes else {}
    return Files(files.paths, files.y, {**more, **files.metadata})


def _by_group(spec: str, sets: Mapping[str, Files], word: str, group: str) -> dict[str, Files]:
    """Sets by group of files that `list_files` divided by class."""
    paths = [path for files in sets.values() for path in files.paths]
    y = np.concatenate([files.y for files in sets.values()])
    metadata = {name: np.concatenate([files.metadata[name] for files in sets.values()]) for name in sets["test"].metadata}
    order = sorted(range(len(paths)), key=lambda k: (y[k], path_order(str(metadata[FILE][k]))))
    return with_held_out_test(spec, Files(paths, y, metadata).take(np.array(order)), word, group)


def sequences_of(sets: Mapping[str, Files], read: Reader) -> dict[str, Sequences]:
    """The sequences of listed files."""
    return {key: _sequences(files, read) for key, files in sets.items()}


def _sequences(files: Files, read: Reader) -> Sequences:
    paths = [Path(str(path)) for path in files.paths]
    labels = [str(label) for label in files.metadata["class"]] if "class" in files.metadata else None
    metadata = {name: column for name, column in files.metadata.items() if name != "class"}
    return Sequences(read(paths), labels, metadata, lambda k: str(paths[k]))
