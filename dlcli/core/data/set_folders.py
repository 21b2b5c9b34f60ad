"""Which folders of a dataset are its sets: by their names and by what they hold, and a question where these disagree."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlcli.core.data.file_kinds import FileKind, all_files, composed, has_files, holds_data
from dlcli.core.data.set_names import KNOWN, SetName, read_set_name, resolve_val
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter


@dataclass(frozen=True)
class _Folder:
    """A folder that holds files of the kind: its name as that of a set, and its folders that hold such files."""

    name: str
    named: SetName | None
    inner: frozenset[str]


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones and those that systems add."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if holds_data(entry.name) and entry.is_dir())


def set_folders(root: Path, kind: FileKind, report: Reporter) -> dict[str, Path]:
    """The folder of each set (train, test, dev, train-dev) of a dataset, in the order of their names; none: they are classes.

    A folder is a set if its name says so and it has folders of classes. Prefixes that all have, as `seg_` of `seg_train` and
    `seg_test`, do not matter. `val` is the test set if there is no other, else the dev set.

    Args:
        root: The folder with the sets or the classes.
        kind: Which files count.
        report: Receives a warning for each set that is not used, and a note of a validation set that is the test set.

    Raises:
        InputError: If it is not certain what is a set and what a class, or two folders would be the same set.
    """
    found = [_look(root, name, kind) for name in subfolders(root)]
    holding = [folder for folder in found if folder is not None]
    sets = _with_classes(holding)
    others = [folder for folder in holding if folder not in sets]
    if not sets:
        _refuse_hidden_sets(root, holding)
        return {}
    _refuse_doubt(root, sets, others)
    for folder in others:
        _warn_unused(root, folder, sets, kind, report)
    assigned = _assigned(root, {folder.name: folder.named for folder in sets if folder.named is not None})
    validation = [root / folder.name for folder in sets if folder.named is not None and folder.named.name == "val"]
    if assigned.get("test") in validation:
        report.note(f"{root}: the test set is the folder '{assigned['test'].name}', as there is no other one")
    return assigned


def named_folders(root: Path) -> dict[str, Path]:
    """The folder of each set by the names of the folders alone, whatever they hold, as for files without labels."""
    named = {name: found for name in subfolders(root) if (found := read_set_name(name)) is not None}
    plain = {name: found for name, found in named.items() if not found.rest}
    return _assigned(root, plain or named)


def _look(root: Path, name: str, kind: FileKind) -> _Folder | None:
    folder, named = root / name, read_set_name(name)
    within = subfolders(folder)
    inner = frozenset(composed(sub) for sub in within if has_files(kind, folder / sub))
    if inner or has_files(kind, folder):
        return _Folder(name, named, inner)
    # An empty set is one too: the caller reports that it is empty.
    return _Folder(name, named, frozenset(within)) if named is not None and not named.rest else None


def _with_classes(folders: list[_Folder]) -> list[_Folder]:
    """The folders that are sets: they have folders in them, and names of sets, with the same prefix or ending if with any."""
    named = [folder for folder in folders if folder.named is not None and folder.inner]
    plain = [folder for folder in named if folder.named is not None and not folder.named.rest]
    return plain or (named if _alike(named) else [])


def _alike(folders: list[_Folder]) -> bool:
    """Whether all have the same prefix or ending, and there are two sets or more."""
    names = [folder.named for folder in folders if folder.named is not None]
    return len({named.rest for named in names}) == 1 and len({named.name for named in names}) > 1


def _refuse_doubt(root: Path, sets: list[_Folder], others: list[_Folder]) -> None:
    """One folder `train` beside folders that are no sets may be the class of trains."""
    alone = len({folder.named for folder in sets}) == 1
    strange = [folder for folder in others if folder.named is None or folder.named.rest]
    if alone and strange and not any(folder.inner & one.inner for folder in strange for one in sets):
        known, other = sets[0].name, ", ".join(folder.name for folder in strange[:3])
        raise InputError(
            f"{root}: is '{known}' a set or a class? beside it stands {other}",
            hint=f"move the other folders elsewhere if '{known}' is one, or rename it if it is a class",
        )


def _refuse_hidden_sets(root: Path, folders: list[_Folder]) -> None:
    """Raise InputError if the folders look like sets: by their names without classes, or by the same folders in all."""
    if len(folders) < 2:
        return
    names = [folder.name for folder in folders]
    if all(folder.named is not None for folder in folders) and _alike(folders):
        raise InputError(
            f"{root}: {_listed(names)} are names of sets, and hold no folders of classes",
            hint=f"use one folder per class, such as {root / names[0]}/CLASS; predict needs no classes",
        )
    common = frozenset.intersection(*(folder.inner for folder in folders))
    if len(common) < 2:
        return
    inside = sorted(common)
    if all(read_set_name(name) is not None for name in inside):
        raise InputError(
            f"{root}: {_listed(names)} each hold the sets {_listed(inside)}; sets come first, with the classes in them",
            hint=f"arrange the files as {root / inside[0] / names[0]}",
        )
    raise InputError(
        f"{root}: {_listed(names)} all hold the folders {_listed(inside)}: which are the classes?",
        hint=f"if {_listed(inside)} are classes, give the folders above names of sets ({KNOWN}), or choose one of them as "
        "`data`; if not, put the files of each class into one folder",
    )


def _warn_unused(root: Path, folder: _Folder, sets: list[_Folder], kind: FileKind, report: Reporter) -> None:
    files = count(sum(map(kind.matches, all_files(root / folder.name))), kind.word)
    if any(folder.inner & one.inner for one in sets):
        report.warn(f"{root}: the set '{folder.name}' is not used ({files}): its name is none of {KNOWN}")
    elif folder.named is not None and not folder.inner:
        report.warn(f"{root}: the set '{folder.name}' is not used ({files}): it has no folders of classes")
    else:
        report.warn(f"{root}: '{folder.name}' is not used ({files}): it is neither a set nor a class of one")


def _assigned(root: Path, named: Mapping[str, SetName]) -> dict[str, Path]:
    there = {found.name for found in named.values()}
    sets: dict[str, Path] = {}
    for folder, found in named.items():
        name = resolve_val(found.name, there)
        if name in sets:
            raise InputError(f"{root}: both {sets[name].name} and {folder} would be the {name} set", hint="rename one of them")
        sets[name] = root / folder
    return sets


def _listed(names: Collection[str]) -> str:
    """The first three of some names, such as `a, b and c`."""
    shown = list(names)[:3]
    more = len(names) - len(shown)
    tail = [f"{more} more"] if more else []
    every = [*shown, *tail]
    return f"{', '.join(every[:-1])} and {every[-1]}" if len(every) > 1 else every[0]
