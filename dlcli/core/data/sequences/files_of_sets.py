"""The files of the sets of one dataset, such as GunPoint_TRAIN.ts and GunPoint_TEST.ts."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from dlcli.core.data.sequences.base import SequenceOptions
from dlcli.core.data.set_names import resolve_val
from dlcli.support.errors import InputError

_SET = re.compile(r"(?P<name>.*?)(^|[_.\-])(?P<set>train|training|test|testing|val|valid|validation|dev)$", re.IGNORECASE)
_OF_WORD = {"train": "train", "training": "train", "test": "test", "testing": "test", "dev": "dev"}


class _Named(NamedTuple):
    """A file by its name: the dataset, and the set of it; "" for a file that is not one set."""

    dataset: str
    part: str


def files_of_sets(spec: str, suffixes: Iterable[str], options: SequenceOptions) -> Mapping[str, Path]:
    """The file of each set, "" for one that is not divided, of the dataset that a file or folder is of.

    Args:
        spec: One of the files, or the folder that they are in.
        suffixes: Endings of the files.
        options: With `unlabelled`, a file stands for itself alone.

    Raises:
        InputError: If a folder holds several datasets, or two files of one set.
    """
    path, endings = Path(spec), tuple(suffixes)
    if path.is_file() and options.unlabelled and options.split is None:
        return {"": path}
    folder = path if path.is_dir() else path.parent
    files = sorted(file for file in folder.iterdir() if file.name.lower().endswith(endings) and file.is_file())
    if path.is_file():
        mine = _named(path, endings)
        files = [file for file in files if _named(file, endings).dataset == mine.dataset] if mine.part else [path]
        files = [file for file in files if _ending(file, endings) == _ending(path, endings)]
    else:
        names = sorted({_named(file, endings).dataset for file in files})
        if len(names) > 1:
            message = f"{spec}: holds files of {len(names)} datasets: {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
            raise InputError(message, hint=f"name one of the files, such as {files[0]}")
    parts = [_named(file, endings).part for file in files]
    found: dict[str, Path] = {}
    for file, part in zip(files, parts, strict=True):
        key = resolve_val(part, parts)
        if key in found:
            raise InputError(f"{spec}: both {found[key].name} and {file.name} would be the {key or 'whole'} set")
        found[key] = file
    if options.unlabelled and options.split is not None:
        if options.split not in found and "" not in found:
            raise InputError(f"{spec}: has no split '{options.split}'", hint=f"it has {', '.join(found)}")
        return {key: file for key, file in found.items() if key in (options.split, "")}
    return found


def holds(path: Path, suffixes: Iterable[str]) -> bool:
    """Whether `path` is a file with one of these endings, or a folder in which one lies."""
    endings = tuple(suffixes)
    files = path.iterdir() if path.is_dir() else [path]
    return any(file.name.lower().endswith(endings) and file.is_file() for file in files)


def _ending(file: Path, endings: tuple[str, ...]) -> str:
    return next(ending for ending in endings if file.name.lower().endswith(ending))


def _named(file: Path, endings: tuple[str, ...]) -> _Named:
    stem = file.name[: -len(_ending(file, endings))]
    found = _SET.fullmatch(stem)
    if found is None:
        return _Named(stem, "")
    return _Named(found["name"], _OF_WORD.get(found["set"].lower(), "val"))
