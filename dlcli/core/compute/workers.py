"""Jobs side by side, each in a process with a few threads: small networks gain from a second process, not a second thread.

A worker is a fresh Python that is told over a socket what to do. multiprocessing's `spawn` would import the main module
again in it, which runs a person's script a second time if it lacks the `__main__` guard; a fork of a process that has
used torch may hang. The socket is also what ties a worker to its parent: it closes when the parent is gone, however it
went, and then the worker ends.
"""

import math
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from multiprocessing.connection import Pipe, wait
from pathlib import Path
from typing import Any, TypeVar

import torch

from dlcli.core.compute.device import threads as torch_threads
from dlcli.support.errors import DlcliError, ResourceError
from dlcli.support.memory import available_memory
from dlcli.support.reporter import Reporter, Task

J = TypeVar("J")
R = TypeVar("R")

_LISTEN = 0.1
"""Seconds between two looks at whether to stop."""
_PATIENCE = 5.0
"""Seconds that the other workers have to stop in when one has failed."""
_WORKER_BYTES = 500_000_000
"""Memory of a worker without data: Python, torch and a small network."""
_QUOTA = Path("/sys/fs/cgroup/cpu.max")

_START = (
    "import sys, multiprocessing.connection as c; link = c.Connection(int(sys.argv[1])); sys.path[:] = link.recv(); "
    "from dlcli.core.compute.worker_process import serve; serve(link)"
)
_STOPPING = (signal.SIGINT, signal.SIGTERM)
_IGNORE_ALL = ("ignore", None, Warning)


def plan_workers(jobs: int, device: torch.device, *, wanted: int | None = None, held: int = 0) -> tuple[int, int]:
    """How many workers, `wanted` or as many as make sense, and how many threads each.

    A GPU is for one worker. On a CPU there are as many as cores, which they share evenly if there are fewer `jobs`, and no
    more than memory suffices for if each holds `held` bytes of data. The threads depend on `jobs` and the cores only, for
    with another number of threads sums are rounded otherwise, and trained weights are others.
    """
    if device.type != "cpu":
        return min(jobs, wanted or 1), torch.get_num_threads()
    cores = _cores()
    side_by_side = min(jobs, cores)
    return min(jobs, wanted or _fitting(side_by_side, held + _WORKER_BYTES)), cores // side_by_side


def _cores() -> int:
    """The cores that this process may use: torch's number of threads (OMP_NUM_THREADS), its affinity, its container."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), there, _quota()))


def _quota() -> int:
    """The cores that the control group (version 2) grants, as many as torch takes if it sets no limit."""
    with suppress(OSError, ValueError):
        granted, period = map(int, _QUOTA.read_text().split())
        return math.ceil(granted / period)
    return torch.get_num_threads()


def _fitting(workers: int, needed: int) -> int:
    there = available_memory()
    return workers if there is None else max(1, min(workers, there // needed))


def in_parallel(
    function: Callable[[J, Reporter], R | None], jobs: Sequence[J], *, workers: int, threads: int, report: Reporter
) -> list[R | None]:
    """What `function(job, report)` returns for each job, in their order; up to `workers` at a time, with `threads` each.

    Jobs are begun in order. `function` asks `report.stoppable()` whether to stop, and returns None if it did; then no more
    jobs are begun, and those that were not have None. With one worker all happens in this process; else `function`, jobs
    and results are pickled (`function` once a worker), so it must be importable by name. Its notes, warnings and progress
    reach `report`, a warning once; what it prints goes to standard error.

    Raises what `function` raises, kind, message and hint, once the others have stopped, and ResourceError if a worker is
    killed. At KeyboardInterrupt and the like all workers are killed. SIGINT and SIGTERM do nothing to a worker itself:
    terminals and service managers send them to all processes, and it is the parent who says what is to be done.
    """
    report = _Once(report)
    if min(workers, len(jobs)) <= 1:
        with torch_threads(threads):
            return _one_by_one(function, jobs, report)
    with report.stoppable() as stop, ExitStack() as ends:
        work = pickle.dumps(function)
        crew = []
        for _ in range(min(workers, len(jobs))):
            crew.append(_Worker(work, threads))
            ends.callback(crew[-1].end)
        return _Foreman(crew, jobs, report, stop).run()


def _one_by_one(function: Callable[[J, Reporter], R | None], jobs: Sequence[J], report: Reporter) -> list[R | None]:
    results: list[R | None] = [None] * len(jobs)
    for number, job in enumerate(jobs):
        results[number] = function(job, report)
        if results[number] is None:
            break
    return results


class _Once:
    """A report that says the same note or warning once."""

    def __init__(self, report: Reporter) -> None:
        self._report, self._said = report, set[str]()
        self.task, self.stoppable = report.task, report.stoppable

    def note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._report.note(text)

    def warn(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._report.warn(text)


class _Foreman:
    """Hands jobs to workers, passes on what they say, and sees that all have ended."""

    def __init__(self, crew: Sequence["_Worker"], jobs: Sequence[Any], report: Reporter, stop: Callable[[], bool]) -> None:
        self.crew, self.report, self.stop = {worker.link: worker for worker in crew}, report, stop
        self.waiting = iter(enumerate(jobs))
        self.results: list[Any] = [None] * len(jobs)
        self.stopping = False
        self.failure: BaseException | None = None
        self.deadline = math.inf

    def run(self) -> list[Any]:
        for worker in self.crew.values():
            self._next(worker)
        while (busy := [link for link, worker in self.crew.items() if worker.job is not None]) and not self._overdue():
            if self.stop():
                self._stop()
            for link in wait(busy, _LISTEN):
                self._hear(self.crew[link])  # type: ignore[index]
        if self.failure is not None:
            raise self.failure
        return self.results

    def _overdue(self) -> bool:
        return time.monotonic() > self.deadline

    def _next(self, worker: "_Worker") -> None:
        worker.job = None
        if not self.stopping and (job := next(self.waiting, None)) is not None:
            worker.job = job[0]
            worker.send(("job", pickle.dumps(job[1])))

    def _stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            for worker in self.crew.values():
                worker.send(("stop",))

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure, self.deadline = error, time.monotonic() + _PATIENCE
        self._stop()

    def _hear(self, worker: "_Worker") -> None:
        try:
            kind, *said = worker.receive()
        except (EOFError, OSError):
            if not self.stopping:  # a worker that is stopped before it has begun just ends
                self._fail(_died(worker.process))
            worker.job = None
            return
        if kind == "result":
            self._take(worker, said[0])
        elif kind in ("refused", "failed"):
            worker.job = None
            self._fail(_refusal(*said) if kind == "refused" else said[0])
        else:
            worker.retell(kind, said, self.report)

    def _take(self, worker: "_Worker", result: object) -> None:
        assert worker.job is not None  # noqa: S101 - for the type checker: it was just answered
        self.results[worker.job] = result
        if result is None:
            self._stop()
        self._next(worker)


class _Worker:
    """The parent's side of a worker: its process, the way to it, the number of its job and its open tasks."""

    def __init__(self, work: bytes, threads: int) -> None:
        self.link, theirs = Pipe()
        self.job: int | None = None
        self.tasks: dict[int, tuple[AbstractContextManager[Task], Task]] = {}
        limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS")}
        command = [sys.executable, "-P", "-c", _START, str(theirs.fileno()), "dlcli worker"]
        with theirs, _blocked(_STOPPING):
            # Standard output is the result's alone, so theirs is the parent's standard error.
            self.process = subprocess.Popen(  # noqa: S603 - this very Python
                command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=[theirs.fileno()], env={**os.environ, **limits}
            )
        self.send([path or os.getcwd() for path in sys.path])
        hushed = any(found[:3] == _IGNORE_ALL for found in warnings.filters[:1])
        self.send((work, threads, hushed))

    def send(self, message: object) -> None:
        with suppress(OSError):  # that a worker is gone is noticed where it is listened to
            self.link.send_bytes(pickle.dumps(message))

    def receive(self) -> Any:
        return pickle.loads(self.link.recv_bytes())  # noqa: S301 - from a process of our own

    def retell(self, kind: str, said: list[Any], report: Reporter) -> None:
        """Say to `report` what the worker said."""
        if kind == "note":
            report.note(said[0])
        elif kind == "warn":
            report.warn(said[0])
        elif kind == "begin":
            opened = report.task(*said[1:])
            self.tasks[said[0]] = opened, opened.__enter__()
        elif kind == "progress":
            self.tasks[said[0]][1].set_status(said[2])
            self.tasks[said[0]][1].advance(said[1])
        elif kind == "end":
            self.tasks.pop(said[0])[0].__exit__(None, None, None)

    def end(self) -> None:
        """Leave nothing of it; a worker without a job has nothing to lose."""
        self.link.close()
        self.process.kill()
        self.process.wait()
        for opened, _ in self.tasks.values():
            opened.__exit__(None, None, None)


@contextmanager
def _blocked(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Keep signals waiting in the block; a process started in it never gets them, for it inherits that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _died(process: "subprocess.Popen[bytes]") -> ResourceError:
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    status = process.returncode
    if status is not None and status < 0:
        hint = "most often memory is short: --workers 1 needs the least"
        return ResourceError(f"a worker process was ended by {signal.Signals(-status).name}", hint=hint)
    return ResourceError(f"a worker process ended with status {status} before its work was done", hint="try --workers 1")


def _refusal(kind: type[DlcliError], message: str, hint: str) -> DlcliError:
    """The error that the worker raised; a kind's own __init__ may want other arguments, so it is not called."""
    error = kind.__new__(kind)
    DlcliError.__init__(error, message, hint=hint)
    return error
