"""Output folders that hold the record of an earlier run: of another command they are refused, of the same one they are emptied.

A folder has one record, so files of two runs in it would be taken for those of the one that is recorded.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlcli.cli.command import COMMANDS, Command
from dlcli.specs.option import declared
from dlcli.support.atomic import keeping
from dlcli.support.errors import UsageError
from dlcli.support.fingerprints import file_sha256

RECORD = "run.json"
_GOES_ON = ("train", "ensemble")
"""The commands that go on in a folder; they refuse one of a finished run themselves."""


def check_folder(command: Command, folder: Path | None) -> None:
    """Refuse to write the result of a command over the record of another one, which belongs to the files beside it.

    Args:
        command: The command that is to write.
        folder: Its output; None without one.

    Raises:
        UsageError: If the folder holds a run of another command.
    """
    before = _record(folder).get("command")
    if before in tuple(COMMANDS) and before != command.name:
        raise UsageError(f"`output`: {folder} holds a run of dlcli {before}", hint="choose another folder")


@contextmanager
def replacing(command: Command, config: Any) -> Iterator[None]:
    """Remove, once what runs inside has succeeded, the files of an earlier run of the same command that it has not written.

    Only files that the earlier record lists, that were not changed since and that this run does not read are removed. A file
    that it reads cannot be written.

    Args:
        command: The command that writes.
        config: Its configuration, with the output.
    """
    folder = config.output
    files = {} if folder is None or command.name in _GOES_ON else _record(folder).get("files")
    earlier = {} if folder is None else {folder / name: sha for name, sha in _texts(files).items()}
    read = _named(config)
    seen = {path: _state(path) for path in earlier if read.isdisjoint((path.resolve(), *path.resolve().parents))}
    with keeping(path for path in read if path.is_file()):
        yield
    for path, state in seen.items():
        if state is not None and _state(path) == state and file_sha256(path) == earlier[path]:
            path.unlink()


def _named(config: Any) -> set[Path]:
    """The files and folders that the options of a run name, but for those that it writes."""
    options = [getattr(config, item.name) for item, details in declared(config) if not details.writes]
    values = [one for value in options for one in (value if isinstance(value, tuple) else (value,))]
    paths = [Path(one) for one in values if isinstance(one, str | Path) and one and "\0" not in str(one)]
    return {path.resolve() for path in paths if path.exists()}


def _record(folder: Path | None) -> Mapping[str, Any]:
    """The record in a folder; empty without one that can be read."""
    path = None if folder is None else folder / RECORD
    try:
        found = json.loads(path.read_bytes()) if path is not None and path.is_file() else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _texts(files: object) -> dict[str, str]:
    """The names and hashes of a record, of files inside its folder."""
    found = files if isinstance(files, dict) else {}
    inside = {name: sha for name, sha in found.items() if not Path(name).is_absolute() and ".." not in Path(name).parts}
    return {name: sha for name, sha in inside.items() if isinstance(sha, str)}


def _state(path: Path) -> tuple[int, int] | None:
    """What tells whether a file was written again: its number and the time of its last change; None if it is not a file."""
    if not path.is_file() or path.is_symlink():
        return None
    found = path.stat()
    return found.st_ino, found.st_mtime_ns
