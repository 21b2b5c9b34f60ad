"""Atomic writes: a file is written under a temporary name beside its place, synced, then renamed."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from dlcli.support.errors import UsageError

_KEPT: ContextVar[frozenset[Path]] = ContextVar("kept", default=frozenset())


@contextmanager
def keeping(paths: Iterable[Path]) -> Iterator[None]:
    """Let nothing inside be written over these files: what a run reads is not its output. They are resolved paths."""
    token = _KEPT.set(frozenset(paths))
    try:
        yield
    finally:
        _KEPT.reset(token)


def check_kept(path: Path) -> None:
    """Raise UsageError if a path is that of a file of `keeping`, under whatever name."""
    if _KEPT.get() and Path(os.path.realpath(path)) in _KEPT.get():
        raise UsageError(f"{path} is read by this run, which would overwrite it", hint="choose another output")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed to `path`, on failure it is removed.

    A missing folder is created. An existing file keeps its mode, a new one follows the umask (a library may have written it
    with mode 0600). Anything but a regular file (a pipe, /dev/null) is written directly.
    """
    with atomic_paths(path) as (temporary,):
        yield temporary


@contextmanager
def atomic_paths(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """`atomic_path` for files that go together: all are synced before the first takes its name.

    On failure, folders that were created are removed, and an OSError about a temporary path names the final one. Raises
    UsageError if one of them is a file of `keeping`.
    """
    for path in paths:
        check_kept(path)
    # What is not a file keeps its name: /dev/stdout is a link to one that no path reaches.
    targets = [_followed(path) if path.is_symlink() and (path.is_file() or not path.exists()) else path for path in paths]
    regular = [target for target in targets if target.is_file() or not target.exists()]
    made: dict[Path, Path] = {}
    with ExitStack() as folders:
        for target in regular:
            folders.enter_context(folder_of(target))
        yield from _written(targets, regular, made)


def _followed(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError:  # in Python 3.13 and later it is an OSError itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None


def _written(targets: Sequence[Path], regular: Sequence[Path], made: dict[Path, Path]) -> Iterator[tuple[Path, ...]]:
    try:
        for target in regular:
            made[target] = _name_beside(target)
        modes = {target: stat.S_IMODE((target if target.exists() else made[target]).stat().st_mode) for target in regular}
        yield tuple(made.get(target, target) for target in targets)
        for target, temporary in made.items():
            os.chmod(temporary, modes[target])
            _sync(temporary)
        for target, temporary in made.items():
            os.replace(temporary, target)
        for folder in dict.fromkeys(target.parent for target in regular):
            _sync(folder)
    except OSError as error:
        error.filename = _final_name(error, made)
        raise
    finally:
        for temporary in made.values():
            with suppress(FileNotFoundError):
                temporary.unlink()


def _final_name(error: OSError, made: Mapping[Path, Path]) -> str | None:
    """The final name of the file that an error is about; an error while writing to an open file names none."""
    names = {str(temporary): str(target) for target, temporary in made.items()}
    only = next(iter(names.values())) if len(names) == 1 else None
    return only if error.filename is None else names.get(str(error.filename), error.filename)


@contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """Create the parent folders of `path`; afterwards remove those created here that are still empty."""
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in made:
            with suppress(OSError):  # it is not empty, or was not created
                folder.rmdir()


def _name_beside(path: Path) -> Path:
    """A new file in the same folder with the same suffix, since writers choose the format by suffix.

    The temporary file of a temporary file is named after the final one, by which `remove_stale` finds it.
    """
    nested = _TEMPORARY.fullmatch(path.name)
    stem = nested[1] if nested else path.stem[:40]
    while True:
        name = path.with_name(f".{stem}.dlcli-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
        try:
            # The system applies the umask here; asking for it would change it for a moment, for all threads.
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        except OSError as error:
            error.filename = str(path)
            raise
        return name


def remove_stale(path: Path) -> None:
    """Remove temporary files of processes that were killed while they wrote to `path`: a folder, or a file or those beside it.

    Files of a process that runs are kept; so are those of another machine that happen to have the number of one.
    """
    folder, stem = (path, "") if path.is_dir() else (path.parent, f".{path.stem[:40]}.")
    found = folder.rglob(".*.dlcli-*") if not stem else folder.glob(".*.dlcli-*") if folder.is_dir() else ()
    with suppress(OSError):  # of a folder that vanishes meanwhile
        for one in found:
            named = _TEMPORARY.fullmatch(one.name)
            if named and one.name.startswith(stem) and not _runs(int(named[2])):
                with suppress(OSError):
                    one.unlink()


_TEMPORARY = re.compile(r"\.(.*)\.dlcli-(\d{1,9})-[0-9a-f]{8}(\.[^.]*)?")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file atomically, as UTF-8; bytes of file names that are not UTF-8 are written as escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
