"""Whether something fits into memory, asked before it is made."""

import os
from contextlib import suppress
from pathlib import Path

from dlcli.support.errors import ResourceError

_MEMINFO = Path("/proc/meminfo")
_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


def available_memory() -> int | None:
    """Bytes that may still be had without swapping; None where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    # Without that line, as on macOS, no more is asked than that it fits into the machine.
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def check_memory(needed: int, what: str, hint: str = "give fewer or smaller images") -> None:
    """Raise ResourceError naming `what` if `needed` bytes are more than `available_memory`."""
    there = available_memory()
    if there is not None and needed > there:
        raise ResourceError(f"{what} needs {size_text(needed)} of memory, and {size_text(there)} are available", hint=hint)


def size_text(count: int) -> str:
    """`512 bytes`, `1.5 GB`; in powers of 1000."""
    power = min(len(_UNITS) - 1, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:.{1 if power else 0}f} {_UNITS[power]}"
