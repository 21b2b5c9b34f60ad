"""What is kept between runs, and the removal of what is old: the engine of `dlcli cache`."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlcli.specs.cache import CacheConfig, CacheResult
from dlcli.support.errors import LockedError
from dlcli.support.lock import locked
from dlcli.support.paths import cache_dir
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.tables import Table

COLUMNS = ("kind", "file", "bytes", "days", "status")
_SECONDS_A_DAY = 86400.0


@dataclass(frozen=True)
class KeptFile:
    """A file of the cache: its folder below the cache, its size in bytes, and days since it was last read or written."""

    kind: str
    path: Path
    size: int
    days: float


def run(config: CacheConfig, *, report: Reporter = SILENT) -> CacheResult:
    """List the cache, and remove what `config` asks for. Raises the kinds of `dlcli.support.errors` and OSError."""
    folder = cache_dir()
    files = list(_chosen(folder, config))
    status = [_remove(file.path) if config.action == "prune" else "kept" for file in files]
    return CacheResult(
        folder=str(folder),
        n_bytes=sum(file.size for file in files),
        n_removed=sum(file.size for file, what in zip(files, status, strict=True) if what == "removed"),
        table=Table(
            list(COLUMNS),
            [
                [file.kind, str(file.path), file.size, round(file.days, 1), what]
                for file, what in zip(files, status, strict=True)
            ],
        ),
    )


def plan(config: CacheConfig) -> list[str]:
    """What `run` would do, one line per file."""
    verb = "remove" if config.action == "prune" else "list"
    return [f"{verb} {file.path}, {file.size:,} bytes" for file in _chosen(cache_dir(), config)] or [f"{verb} nothing"]


def _chosen(folder: Path, config: CacheConfig) -> Iterator[KeptFile]:
    """The files that are old enough, by path; links are not followed, and hidden files are locks or being written."""
    now = time.time()
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        inside = path.relative_to(folder)
        if path.is_symlink() or not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        found = path.stat()
        days = max(0.0, now - max(found.st_atime, found.st_mtime)) / _SECONDS_A_DAY
        if config.older is None or days >= config.older:
            yield KeptFile(inside.parts[0] if len(inside.parts) > 1 else "", path, found.st_size, days)


def _remove(path: Path) -> str:
    """Remove a file under its lock; what a running process has open stays readable for it."""
    try:
        with locked(path):
            path.unlink(missing_ok=True)
    except LockedError:
        return "in use"
    return "removed"
