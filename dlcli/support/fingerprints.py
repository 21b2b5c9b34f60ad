"""SHA-256 of folders, of the program itself, and of records: what says later whether something was changed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

SEAL = "seal"
"""The entry of a record that is the hash of all others."""


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_in(folder: Path) -> list[Path]:
    """All files below a folder by name; hidden ones are locks or being written."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def path_sha256(path: Path, *, without: str = "") -> str:
    """The SHA-256 of a file, or of the names and contents of all files below a folder, but for its own one called `without`."""
    return file_sha256(path) if path.is_file() else _of_files(path, (one for one in files_in(path) if one != path / without))


@cache
def code_sha256() -> str:
    """The SHA-256 of the modules of dlcli."""
    package = Path(__file__).parent.parent
    return _of_files(package, (path for path in files_in(package) if path.suffix == ".py"))


def seal(record: Mapping[str, Any]) -> str:
    """The SHA-256 of a record without its seal."""
    content = {name: value for name, value in record.items() if name != SEAL}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _of_files(folder: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()
