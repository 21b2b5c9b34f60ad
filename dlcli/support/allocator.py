"""Settings of the C library's memory allocator."""

import ctypes
import os
import sys
from contextlib import suppress

KEPT = 1 << 29
"""Bytes of freed memory to keep. A quarter of this saves only half of the kernel's work."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


def keep_freed() -> None:
    """Make glibc keep up to `KEPT` bytes of freed memory for later allocations; does nothing with other C libraries.

    By default glibc returns the memory of every large array to the kernel, which maps it again page by page, each filled
    with zeros: a quarter of the CPU time of a ResNet-18's forward pass, and a tenth of that of comparing texts. Settings of
    malloc in the environment take precedence.
    """
    if not sys.platform.startswith("linux") or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    with suppress(OSError, AttributeError):  # musl has no mallopt
        c_library = ctypes.CDLL(None)
        c_library.mallopt(_TRIM_THRESHOLD, KEPT)
        c_library.mallopt(_MMAP_THRESHOLD, KEPT)
