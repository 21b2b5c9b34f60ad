"""Standard streams as a shell or a service manager may leave them: closed, full, or of another encoding."""

import io
import os
import sys
from contextlib import suppress


class _Notes(io.TextIOWrapper):
    """Standard error: what cannot be written there, as on a full disk, is dropped, for the result does not depend on it."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def open_streams() -> None:
    """Point missing standard streams at the null device, write UTF-8, and keep notes from failing."""
    # In the order of their numbers, because the system gives out the lowest one that is free.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")  # type: ignore[union-attr]
    if isinstance(getattr(sys.stderr, "buffer", None), io.BufferedWriter):
        raw = sys.stderr.detach()  # type: ignore[union-attr]
    else:
        raw = open(2, "wb", closefd=False)
    sys.stderr = _Notes(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
