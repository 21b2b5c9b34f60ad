"""Checks whether something will fit into memory or onto a disk before it is allocated."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from dlcli.support.errors import MemoryLimitError, ResourceError

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")  # a container sees its own limits here
_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


def available_memory() -> int | None:
    """Bytes that can be allocated without swapping, on the machine and in the container; None if unknown."""
    return min((found for found in (_machine(), _container()) if found is not None), default=None)


def _machine() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        return _value(_MEMINFO, "MemAvailable:") * 1024
    # Without that line, as on macOS, all of the machine's memory counts as available.
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _container() -> int | None:
    """What the limit of the control group (version 2) leaves; file caches that the kernel would drop count as free."""
    with suppress(OSError, ValueError, IndexError):
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        return max(0, limit - used + _value(_CGROUP / "memory.stat", "inactive_file"))
    return None


def _value(file: Path, name: str) -> int:
    """The number in the line of `file` that starts with `name`; IndexError if there is none."""
    return int([line for line in file.read_text().splitlines() if line.split()[:1] == [name]][0].split()[1])


def fits(needed: int) -> bool:
    """Whether `needed` bytes are available, or it is unknown how many are."""
    there = available_memory()
    return there is None or needed <= there


def check_memory(needed: int, what: str, hint: str = "give fewer or smaller images") -> None:
    """Raise ResourceError naming `what` if `needed` bytes are more than `available_memory`."""
    there = available_memory()
    if there is not None and needed > there:
        raise MemoryLimitError(f"{what} needs {size_text(needed)} of memory, and {size_text(there)} are available", hint=hint)


def check_disk(folder: Path, needed: int, what: str, hint: str = "free some space") -> None:
    """Check that a disk has enough free space.

    Args:
        folder: A folder on the disk.
        needed: Bytes to be written.
        what: What is written, as a plural for the message.
        hint: What to do if the space does not suffice.

    Raises:
        ResourceError: If less is free.
    """
    there = shutil.disk_usage(folder).free
    if needed > there:
        raise ResourceError(f"{folder}: {what} need {size_text(needed)} there, and {size_text(there)} are free", hint=hint)


def size_text(count: int) -> str:
    """`512 bytes`, `1.5 GB`; in powers of 1000."""
    power = min(len(_UNITS) - 1, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:.{1 if power else 0}f} {_UNITS[power]}"
