"""Run jobs in parallel worker processes; the worker's side is in `worker_process`.

Small networks gain from a second process but hardly from a second thread. A worker is a new Python interpreter that receives
its jobs over a socket, because the start methods of multiprocessing do not fit: `spawn` imports the main module again, which
runs a user's script a second time if it lacks the `__main__` guard, and a `fork` of a process that has used torch may hang.
The socket also ties a worker to its parent: it closes when the parent ends, in whatever way, and then the worker exits.
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
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from multiprocessing.connection import Pipe, wait
from typing import TYPE_CHECKING, Any, TypeVar

from dlcli.support.errors import DlcliError, ResourceError
from dlcli.support.reporter import SILENT, Reporter, Task
from dlcli.support.trust import current_trust

if TYPE_CHECKING:
    import torch

J = TypeVar("J")
R = TypeVar("R")

_POLL_S = 0.1
"""Seconds between two checks of whether to stop."""
_GRACE_S = 5.0
"""Seconds that the other workers have to stop after one has failed."""

_START = (
    "import sys, multiprocessing.connection as c; link = c.Connection(int(sys.argv[1])); sys.path[:] = link.recv(); "
    "from dlcli.core.compute.worker_process import serve; serve(link)"
)
_TERMINATION = (signal.SIGINT, signal.SIGTERM)
_IGNORE_ALL = ("ignore", None, Warning)


def in_parallel(
    function: Callable[[J, Reporter], R | None],
    jobs: Sequence[J],
    *,
    workers: int,
    threads: int,
    gpus: "Sequence[torch.device]" = (),
    report: Reporter,
    label: str = "",
    store: Callable[[int, R], None] = lambda number, result: None,
) -> list[R | None]:
    """Map `function` over `jobs` in worker processes.

    With one worker everything happens in this process.

    Args:
        function: Called as `function(job, report)`. It asks `report.stoppable()` whether to stop, and returns None if it did.
            With several workers it is pickled once per worker, so it must be importable by name; jobs and results are
            pickled too. What it prints goes to standard error.
        jobs: Started in this order. After a stop no more are started.
        workers: Number of jobs that run at the same time.
        threads: CPU threads of torch per job.
        gpus: The GPUs that the workers take in turn. Each worker sees only its own GPU, so that `cuda` means that one there.
            Empty: every worker sees what this process sees.
        report: Receives notes, warnings and progress of all jobs; the same note or warning only once.
        label: What several jobs are, for a task that counts them.
        store: Called in this process with the number of a job and its result, as soon as it has one, in any order.

    Returns:
        The results in the order of `jobs`; None for jobs that were stopped or not started.

    Raises:
        ResourceError: If a worker process is killed.
        Exception: What `function` raises, with its type, message and hint, once the other workers have stopped.
    """
    report = DeduplicatedReporter(report)
    counting = report.task(label, len(jobs)) if label and len(jobs) > 1 else SILENT.task(label)
    if min(workers, len(jobs)) <= 1:
        with _torch_threads(threads), counting as counted:
            return _one_by_one(function, jobs, report, counted, store)
    # The stack kills every worker on the way out, also on KeyboardInterrupt.
    with report.stoppable() as stop, counting as counted, ExitStack() as stack:
        packed = pickle.dumps(function)
        started = []
        for number in range(min(workers, len(jobs))):
            started.append(_Worker(packed, threads, gpus[number % len(gpus)] if gpus else None))
            stack.callback(started[-1].end)
        return _Scheduler(started, jobs, report, stop, counted, store).run()


def _torch_threads(threads: int) -> AbstractContextManager[object]:
    """Let torch use as many threads; nothing if it is not loaded, since jobs that do not use it must not wait for it."""
    if "torch" not in sys.modules:
        return nullcontext()
    from dlcli.core.compute.device import threads as torch_threads  # here, because it imports torch

    return torch_threads(threads)


def _one_by_one(
    function: Callable[[J, Reporter], R | None],
    jobs: Sequence[J],
    report: Reporter,
    counted: Task,
    store: Callable[[int, R], None],
) -> list[R | None]:
    results: list[R | None] = [None] * len(jobs)
    for number, job in enumerate(jobs):
        result = results[number] = function(job, report)
        if result is None:
            break
        store(number, result)
        counted.advance()
    return results


class DeduplicatedReporter:
    """A reporter that passes the same note or warning on only once."""

    def __init__(self, report: Reporter) -> None:
        self._report, self._seen = report, set[str]()
        self.task, self.stoppable, self.log = report.task, report.stoppable, report.log

    def note(self, text: str) -> None:
        """See `Reporter`."""
        if text not in self._seen:
            self._seen.add(text)
            self._report.note(text)

    def warn(self, text: str) -> None:
        """See `Reporter`."""
        if text not in self._seen:
            self._seen.add(text)
            self._report.warn(text)


class _Scheduler:
    """Gives each idle worker the next job, forwards its messages and collects the results."""

    def __init__(
        self,
        workers: Sequence["_Worker"],
        jobs: Sequence[Any],
        report: Reporter,
        stop: Callable[[], bool],
        counted: Task,
        store: Callable[[int, Any], None],
    ) -> None:
        self.counted, self.store = counted, store
        self.workers, self.report, self.stop = {worker.link: worker for worker in workers}, report, stop
        self.waiting = iter(enumerate(jobs))
        self.results: list[Any] = [None] * len(jobs)
        self.stopping = False
        self.failure: BaseException | None = None
        self.deadline = math.inf

    def run(self) -> list[Any]:
        """Run all jobs; raises the first failure once the other workers have stopped or the grace period is over."""
        # A job is assigned only when a worker is free, not in fixed shares: jobs take different times, and a worker with
        # short ones would sit idle. `wait` returns after _POLL_S even without a message, so that a stop is noticed.
        for worker in self.workers.values():
            self._assign_next(worker)
        while (busy := [link for link, worker in self.workers.items() if worker.job is not None]) and not self._overdue():
            if self.stop():
                self._stop_all()
            for link in wait(busy, _POLL_S):
                self._receive(self.workers[link])  # type: ignore[index]
        if self.failure is not None:
            raise self.failure
        return self.results

    def _overdue(self) -> bool:
        return time.monotonic() > self.deadline

    def _assign_next(self, worker: "_Worker") -> None:
        worker.job = None
        if not self.stopping and (job := next(self.waiting, None)) is not None:
            worker.job = job[0]
            worker.send(("job", pickle.dumps(job[1])))

    def _stop_all(self) -> None:
        if not self.stopping:
            self.stopping = True
            for worker in self.workers.values():
                worker.send(("stop",))

    def _fail(self, error: BaseException) -> None:
        # Only the first failure is raised: later ones are often its consequences. A job that never asks whether to stop
        # must not block the error for ever, so the deadline ends the loop and `in_parallel` kills what still runs.
        if self.failure is None:
            self.failure, self.deadline = error, time.monotonic() + _GRACE_S
        self._stop_all()

    def _receive(self, worker: "_Worker") -> None:
        """Handle one message of a worker."""
        try:
            kind, *content = worker.receive()
        except (EOFError, OSError):
            # The socket closed: the worker crashed or was killed, for example by the kernel when memory ran out. A crashed
            # job is not retried, because it would most likely crash again. During a stop, idle workers exit by themselves.
            if not self.stopping:
                self._fail(_exit_error(worker.process))
            worker.job = None
            return
        if kind == "result":
            self._store(worker, content[0])
        elif kind in ("dlcli error", "exception"):
            worker.job = None
            self._fail(rebuilt_error(*content) if kind == "dlcli error" else content[0])
        else:
            worker.forward(kind, content, self.report)

    def _store(self, worker: "_Worker", result: object) -> None:
        assert worker.job is not None  # noqa: S101 - for the type checker: it just sent a result
        self.results[worker.job] = result
        if result is None:
            self._stop_all()
        else:
            self.store(worker.job, result)
            self.counted.advance()
        self._assign_next(worker)


class _Worker:
    """The parent's side of a worker: its process, the connection to it, the number of its job and its open tasks."""

    def __init__(self, packed: bytes, threads: int, gpu: "torch.device | None" = None) -> None:
        self.link, theirs = Pipe()
        self.job: int | None = None
        self.tasks: dict[int, tuple[AbstractContextManager[Task], Task]] = {}
        limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS")}
        limits |= {} if gpu is None else _only(gpu)
        command = [sys.executable, "-P", "-c", _START, str(theirs.fileno()), "dlcli worker"]
        # Terminals and service managers send SIGINT and SIGTERM to all processes of a group. The worker is started with
        # both blocked, so only the parent reacts, and it decides what the workers do.
        with theirs, _blocked(_TERMINATION):
            # Standard output is for the command's result only, so the worker's goes to the parent's standard error.
            self.process = subprocess.Popen(  # noqa: S603 - this very Python
                command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=[theirs.fileno()], env={**os.environ, **limits}
            )
        self.send([path or os.getcwd() for path in sys.path])
        ignore_warnings = any(found[:3] == _IGNORE_ALL for found in warnings.filters[:1])
        self.send((packed, threads, ignore_warnings, current_trust()))

    def send(self, message: object) -> None:
        with suppress(OSError):  # `_receive` notices when a worker has ended
            self.link.send_bytes(pickle.dumps(message))

    def receive(self) -> Any:
        return pickle.loads(self.link.recv_bytes())  # noqa: S301 - from a process that this one started

    def forward(self, kind: str, content: list[Any], report: Reporter) -> None:
        """Pass a note, a warning, progress or figures of the worker on to `report`."""
        if kind == "note":
            report.note(content[0])
        elif kind == "warn":
            report.warn(content[0])
        elif kind == "log":
            run, epoch, figures, final = content
            report.log(run, epoch, figures, final=final)
        elif kind == "begin":
            opened = report.task(*content[1:])
            self.tasks[content[0]] = opened, opened.__enter__()
        elif kind == "progress":
            self.tasks[content[0]][1].set_status(content[2])
            self.tasks[content[0]][1].advance(content[1])
        elif kind == "end":
            self.tasks.pop(content[0])[0].__exit__(None, None, None)

    def end(self) -> None:
        """Kill the process and close its open tasks; every result has been received by now."""
        self.link.close()
        self.process.kill()
        self.process.wait()
        for opened, _ in self.tasks.values():
            opened.__exit__(None, None, None)


def _only(gpu: "torch.device") -> dict[str, str]:
    """The environment of a process in which torch finds no GPU but `gpu`."""
    # Rather than a current device, which torch keeps for each thread: another thread would use the first GPU. And random states
    # are saved for all GPUs that torch finds, which takes memory on each of them.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    # The index counts the entries of the list, if there is one: they may be numbers or UUIDs.
    return {"CUDA_VISIBLE_DEVICES": visible.split(",")[gpu.index].strip() if visible else str(gpu.index)}


@contextmanager
def _blocked(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Block signals inside the block; a process started in it inherits that and never receives them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _exit_error(process: "subprocess.Popen[bytes]") -> ResourceError:
    """The error for a worker process that ended while it had a job."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    status = process.returncode
    if status is not None and status < 0:
        message = f"a worker process was killed by {signal.Signals(-status).name}"
        return ResourceError(message, hint="it probably ran out of memory; `workers=1` needs the least")
    return ResourceError(f"a worker process exited with status {status} before its job was done", hint="try `workers=1`")


def rebuilt_error(kind: type[DlcliError], message: str, hint: str) -> DlcliError:
    """The error that the worker raised; without calling `kind.__init__`, which may take other arguments."""
    # An error that is a FileNotFoundError too has the memory of one: only the built-in class that it rests on can make it.
    solid: Any = kind
    while solid.__module__ != "builtins":
        solid = solid.__base__
    error: DlcliError = solid.__new__(kind)
    DlcliError.__init__(error, message, hint=hint)
    return error
