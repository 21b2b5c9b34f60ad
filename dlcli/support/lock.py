"""File locks, so that only one run at a time writes to an output or a file of the cache."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dlcli.support.atomic import folder_of
from dlcli.support.errors import LockedError
from dlcli.support.reporter import Reporter


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of `path` (a folder, or a file that need not exist yet).

    The lock is a hidden file in the folder or beside the file, removed afterwards; the system releases it if the process
    dies. A run that has created its folder holds the lock beside it, so that one counts for a folder too if it is there. With
    `wait`, block until it is free; otherwise raise LockedError at once. Raises OSError, which names `path`, if a lock cannot
    be made.
    """
    inside, beside = path / ".dlcli.lock", path.parent / f".{path.name}.lock"
    with ExitStack() as held:
        if path.is_dir():
            held.enter_context(_held(path, inside, wait=wait))
        if not path.is_dir() or os.path.lexists(beside):
            held.enter_context(_held(path, beside, wait=wait))
        yield


@contextmanager
def _held(path: Path, target: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file `target` of `path`."""
    with folder_of(target):
        lock = FileLock(target, timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except Timeout:
            _check_possible(path, target)
            raise LockedError(f"{path}: another run is writing here", hint="wait for it, or choose another `output`") from None
        except OSError as error:
            error.filename = str(path)
            raise
        try:
            yield
        finally:
            # Unlinked while still held: a process that has just opened it finds that the name is gone and starts over.
            target.unlink(missing_ok=True)
            lock.release()


def _check_possible(path: Path, target: Path) -> None:
    """Raise OSError if no lock can be made here at all, as in /proc, where trying it looks as if another run held it."""
    if target.exists():
        return
    try:
        os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o666))
    except OSError as error:
        error.filename = str(path)
        raise


@contextmanager
def cache_lock(path: Path, busy: str, report: Reporter) -> Iterator[None]:
    """Hold the lock of a file in the cache, waiting for another process that holds it after a note that begins with `busy`.

    A cache that cannot be written has no lock; saving to it will report that.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(path, wait=False))
        except LockedError:
            report.note(f"{busy}; waiting for it")
            held.enter_context(locked(path, wait=True))
        except OSError:
            pass
        yield
