"""The worker's side of `workers`: run the jobs that the parent sends over a socket, and send back results and messages."""

import logging
import os
import pickle
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from dlcli.support.allocator import keep_freed
from dlcli.support.cublas import fix_workspace
from dlcli.support.errors import DlcliError
from dlcli.support.reporter import Task
from dlcli.support.trust import trusting

_PROGRESS_S = 0.1
"""Least number of seconds between two messages about the same progress."""


def serve(link: "Connection[Any, Any]") -> None:
    """Run the jobs of the parent at the other end of `link` until that end closes."""
    packed, threads, ignore_warnings, trust = pickle.loads(link.recv_bytes())  # noqa: S301 - from the parent
    if ignore_warnings:
        warnings.simplefilter("ignore")
        logging.getLogger().addHandler(logging.NullHandler())
    keep_freed()
    fix_workspace()
    with trusting(trust):
        _WorkerLoop(link, packed, threads).run()


class _WorkerLoop:
    """Runs jobs in the main thread; a second thread reads the socket, so that a stop or the parent's end is noticed at once."""

    def __init__(self, link: "Connection[Any, Any]", packed: bytes, threads: int) -> None:
        self.link, self.packed, self.threads = link, packed, threads
        self.jobs: SimpleQueue[bytes] = SimpleQueue()
        self.stop = threading.Event()
        self.running = False
        self.sending = threading.Lock()

    def run(self) -> None:
        """Run jobs one after the other; never returns, since `_listen` ends the process."""
        threading.Thread(target=self._listen, daemon=True).start()
        report, function = _PipeReporter(self), None
        while True:
            job = self.jobs.get()
            try:
                # Unpickled with the first job rather than at the start: an error of unpickling then reaches the parent
                # like any other error of the job.
                function = function or self._unpickled()
                self.running = True
                answer = pickle.dumps(("result", function(pickle.loads(job), report)))  # noqa: S301
            except BaseException as error:
                answer = pickled_error(error)
            self.send(answer)
            self.running = False

    def _unpickled(self) -> Any:
        function = pickle.loads(self.packed)  # noqa: S301 - from the parent
        # Loaded by now if jobs use it, for they are functions of modules that import it. Others do not wait for the import,
        # and a torch that is imported later takes its threads from the environment.
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(self.threads)
        return function

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                kind, *rest = pickle.loads(self.link.recv_bytes())  # noqa: S301 - from the parent
                if kind == "job":
                    self.jobs.put(rest[0])
                else:
                    self.stop.set()
                    if not self.running:
                        break
        os._exit(0)  # without waiting for the main thread: its result is not needed any more

    def send(self, message: bytes) -> None:
        """Send a message to the parent, one thread at a time; exit if the parent has ended."""
        try:
            with self.sending:
                self.link.send_bytes(message)
        except OSError:
            os._exit(0)

    def send_message(self, *message: object) -> None:
        self.send(pickle.dumps(message))


class _PipeReporter:
    """The reporter of a worker: sends everything to the parent."""

    def __init__(self, loop: _WorkerLoop) -> None:
        self._loop, self._numbers = loop, count()

    def note(self, text: str) -> None:
        self._loop.send_message("note", text)

    def warn(self, text: str) -> None:
        self._loop.send_message("warn", text)

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator[Task]:
        number = next(self._numbers)
        self._loop.send_message("begin", number, label, total)
        task = _PipeTask(self._loop, number)
        try:
            yield task
        finally:
            task.flush()
            self._loop.send_message("end", number)

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        yield self._loop.stop.is_set

    def log(self, run: str, epoch: int, figures: Mapping[str, float], *, final: bool = False) -> None:
        self._loop.send_message("log", run, epoch, dict(figures), final)


class _PipeTask:
    def __init__(self, loop: _WorkerLoop, number: int) -> None:
        self._loop, self._number = loop, number
        self._steps, self._text, self._due = 0, "", 0.0

    def advance(self, steps: int = 1) -> None:
        self._steps += steps
        if time.monotonic() >= self._due:
            self.flush()

    def set_status(self, text: str) -> None:
        self._text = text

    def flush(self) -> None:
        self._loop.send_message("progress", self._number, self._steps, self._text)
        self._steps, self._due = 0, time.monotonic() + _PROGRESS_S


def pickled_error(error: BaseException) -> bytes:
    """The message for an error; an error that cannot be pickled becomes a RuntimeError with the same text."""
    if isinstance(error, DlcliError):
        return pickle.dumps(("dlcli error", type(error), error.message, error.hint))
    trace = f"in a worker process:\n{traceback.format_exc()}"
    plain = RuntimeError(f"{type(error).__name__}: {error}")
    for one in (error, plain):
        one.add_note(trace)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled in this line
        return pickle.dumps(("exception", error))
    except Exception:  # a class of the user may fail in any way when it is pickled or unpickled
        return pickle.dumps(("exception", plain))
