"""Forked processes: results in order, failures, and nothing left running."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from dlcli.core.compute.forked import forked_map, may_fork
from dlcli.support.errors import ResourceError

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def children():
    """Processes whose parent is this one."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        found += [int(name)] if int(parent) == os.getpid() else []
    return set(found)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 50])
def test_results_are_in_order_and_from_other_processes(workers, n):
    before = children()
    found = list(forked_map(lambda k: (k * k, os.getpid()), range(n), workers))
    assert [square for square, _ in found] == [k * k for k in range(n)]
    pids = {pid for _, pid in found}
    assert len(pids) == min(n, workers) and os.getpid() not in pids
    assert children() == before


def test_large_results_and_a_consumer_that_stops():
    before = children()
    found = forked_map(lambda k: bytes(300_000), range(1000), 2)
    assert len(next(found)) == len(next(found)) == 300_000
    assert len(children() - before) == 2
    found.close()
    assert children() == before


def _fails(k):
    if k == 5:
        raise OSError("no disk")
    return k


def _dies(k):
    if k == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return k


@pytest.mark.parametrize(("function", "expected"), [(_fails, "OSError: no disk"), (_dies, "ended early")])
def test_failures_come_at_the_turn_of_their_item(function, expected):
    before, found = children(), forked_map(function, range(9), 2)
    assert [next(found) for _ in range(5)] == list(range(5))
    with pytest.raises((RuntimeError, ResourceError), match=expected):
        next(found)
    assert children() == before


def test_a_process_ends_with_the_one_that_started_it():
    """Once nothing reads its results, a process cannot send them."""
    middle = os.fork()
    if middle == 0:
        found = forked_map(lambda k: (os.getpid(), bytes(100_000)), range(10_000), 1)
        os.write(_END, str(next(found)[0]).encode())
        os._exit(0)
    os.waitpid(middle, 0)
    pid = int(os.read(_BEGIN, 20))
    with suppress(FileNotFoundError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)


_BEGIN, _END = os.pipe()


def test_a_gpu_in_use_prevents_forks(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    assert not may_fork()
