"""Files that hold one dataset together: a file, a brace pattern or a folder of shards, and which set each belongs to."""

import re
from collections.abc import Collection, Sequence
from itertools import product
from pathlib import Path

from dlcli.core.data.file_kinds import PICTURES, VIDEOS, all_files
from dlcli.core.data.set_names import KNOWN, SetName, read_set_name
from dlcli.support.errors import InputError, MissingInputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST_SHARDS = 100_000
_NUMBERED = re.compile(r"-\d+-of-\d+$")
_PLAIN = ("data", "default")
"""Folders in which Hugging Face keeps the shards of a dataset."""


def has_shards(root: Path, endings: Collection[str]) -> bool:
    """Whether a folder holds files with one of these endings, and neither pictures nor videos."""
    found = False
    for path in all_files(root):
        if PICTURES.matches(path) or VIDEOS.matches(path):
            return False
        found = found or _is_shard(path, endings)
    return found


def find_shards(spec: str, endings: Collection[str]) -> list[Path]:
    """The files that `spec` names: a file, a pattern such as train-{000..003}.tar, or those below a folder, sorted.

    Raises InputError if a file does not exist, or a folder holds shards of several datasets.
    """
    root = Path(spec)
    if root.is_dir():
        found = [path for path in all_files(root) if _is_shard(path, endings)]
        _refuse_several(root, found)
        return found
    paths = [root] if root.is_file() else [Path(name) for name in expand_braces(spec)]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        others = f" ({len(missing)} of {count(len(paths), 'file')})" if len(paths) > 1 else ""
        raise MissingInputError(f"{missing[0]}: there is no such file{others}")
    return paths


def expand_braces(pattern: str) -> list[str]:
    """The names of a pattern with braces as in a shell: `{000..003}` counts, with leading zeros, and `{a,b}` lists.

    Raises InputError if they are more than 100,000.
    """
    if _BRACES.search(pattern) is None:
        return [pattern]
    pieces = _BRACES.split(pattern)
    choices = [[piece] if k % 2 == 0 else _choices(pattern, piece) for k, piece in enumerate(pieces)]
    total = 1
    for choice in choices:
        total *= len(choice)
    if total > _MOST_SHARDS:
        raise InputError(f"{pattern}: stands for {count(total, 'file')}, more than {_MOST_SHARDS:,}")
    return list(dict.fromkeys(name for parts in product(*choices) for name in expand_braces("".join(parts))))


def _choices(pattern: str, piece: str) -> list[str]:
    counted = _RANGE.fullmatch(piece)
    if counted is None:
        return piece.split(",")
    first, last = counted.groups()
    if int(last) - int(first) >= _MOST_SHARDS:
        raise InputError(f"{pattern}: stands for more than {count(_MOST_SHARDS, 'file')}")
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]


def _is_shard(path: Path, endings: Collection[str]) -> bool:
    return path.suffix.lower() in endings and not path.name.startswith(".")


def _refuse_several(root: Path, shards: Sequence[Path]) -> None:
    """Shards may be in folders of sets; other folders are other datasets, such as the configurations of one on a hub."""
    datasets: dict[tuple[str, ...], Path] = {}
    for path in shards:
        parts = path.relative_to(root).parts[:-1]
        datasets.setdefault(tuple(part for part in parts if part not in _PLAIN and read_set_name(part) is None), path)
    if len(datasets) > 1:
        first, second = (path.parent for path in list(datasets.values())[:2])
        hint = f"choose one of the folders as `data`, such as {first}"
        raise InputError(f"{root}: {first} and {second} hold different datasets", hint=hint)


def sets_of_shards(spec: str, shards: Sequence[Path], report: Reporter) -> dict[Path, str] | None:
    """The set of each shard, by its name or that of its folder; None if no name tells of sets.

    Args:
        spec: What was named: the name of a shard's folder counts only below it.
        shards: The files.
        report: Receives a warning about shards that are not used, since their names tell of no set while others do.

    Returns:
        The names of sets, as `SetName.name`, of the shards that are used.
    """
    named = {path: _set_name(path, Path(spec)) for path in shards}
    plain = {path: found for path, found in named.items() if found is not None and not found.rest}
    used = plain or _alike({path: found for path, found in named.items() if found is not None})
    if not used:
        return None
    unused = [path for path in shards if path not in used]
    if unused:
        what = f"{count(len(unused), 'file')} not used, such as {unused[0].name}: the name is none of {KNOWN}"
        report.warn(f"{spec}: {what}")
    return {path: found.name for path, found in used.items()}


def _set_name(path: Path, root: Path) -> SetName | None:
    """By the name of the file, or else those of the folders that it is in below `root`, from the innermost."""
    folders = path.relative_to(root).parts[-2::-1] if path.is_relative_to(root) else ()
    found = (read_set_name(name) for name in (_NUMBERED.sub("", path.stem), *folders))
    return next((name for name in found if name is not None), None)


def _alike(named: dict[Path, SetName]) -> dict[Path, SetName]:
    """Those with the same other words, if there are two sets or more, such as flowers-train and flowers-val."""
    alike = len({found.rest for found in named.values()}) == 1 and len({found.name for found in named.values()}) > 1
    return named if alike else {}
