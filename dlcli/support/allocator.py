"""What the C library does with memory that is no longer used."""

import ctypes
import os
import sys
from contextlib import suppress

KEPT = 1 << 29
"""Bytes. Less saves less: at a quarter of this the kernel still does half of what it does without."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


def keep_freed() -> None:
    """Have glibc keep up to `KEPT` bytes of freed memory for what comes next; elsewhere, nothing.

    It gives the memory of every large array back to the kernel, which hands it out again page by page, each filled with
    zeros: a quarter of the CPU time of a ResNet-18's forward pass, and a tenth of that of comparing texts. What a person says
    to malloc in the environment holds.
    """
    if not sys.platform.startswith("linux") or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    with suppress(OSError, AttributeError):  # musl has no mallopt
        c_library = ctypes.CDLL(None)
        c_library.mallopt(_TRIM_THRESHOLD, KEPT)
        c_library.mallopt(_MMAP_THRESHOLD, KEPT)
