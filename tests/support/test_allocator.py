import os
import subprocess
import sys

import pytest

from dlcli.support.allocator import KEPT

SIZE = KEPT // 4
HUGE_PAGE = 1 << 21
FEWEST = SIZE // HUGE_PAGE
"""Page faults of filling `SIZE` bytes where the kernel maps huge pages; with small ones there are hundreds of times as many."""

FAULTS = """
import resource, sys
import numpy as np
from dlcli.support.allocator import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
def fill():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(int(sys.argv[2]), np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(fill(), fill())
"""

glibc = pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="only glibc has these settings")


def faults(how, size=SIZE, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", FAULTS, how, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean | environment)
    return [int(count) for count in done.stdout.split()]


@glibc
def test_memory_that_was_freed_is_had_again_without_a_page_fault():
    assert faults("kept")[1] < FEWEST / 2
    assert faults("as it was")[1] >= FEWEST


@glibc
def test_what_is_larger_is_given_back():
    assert faults("kept", KEPT + 4096)[1] >= FEWEST


@glibc
def test_what_the_environment_says_holds():
    assert faults("kept", MALLOC_MMAP_THRESHOLD_="65536")[1] >= FEWEST
