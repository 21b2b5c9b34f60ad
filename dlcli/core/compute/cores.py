"""How many cores this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """The cores that this process may use: the least of its affinity, of its container's and of OMP_NUM_THREADS."""
    found = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    with suppress(KeyError, ValueError):
        found.append(int(os.environ["OMP_NUM_THREADS"]))
    with suppress(OSError, ValueError):  # the control group (version 2) may set no limit
        quota, period = map(int, _CGROUP_LIMIT.read_text().split())
        found.append(math.ceil(quota / period))
    return max(1, min(found))
