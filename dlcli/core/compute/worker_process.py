"""The worker's side of `workers`: does the jobs that the parent sends over a socket, and tells it what there is to tell."""

import logging
import os
import pickle
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import torch

from dlcli.support.allocator import keep_freed
from dlcli.support.errors import DlcliError
from dlcli.support.reporter import Task

_BETWEEN = 0.1
"""The least seconds between two messages about the same progress."""


def serve(link: "Connection[Any, Any]") -> None:
    """Be a worker, for the parent at the other end of `link`, until that end closes."""
    work, threads, hushed = pickle.loads(link.recv_bytes())  # noqa: S301 - from the parent
    if hushed:
        warnings.simplefilter("ignore")
        logging.getLogger().addHandler(logging.NullHandler())
    keep_freed()
    torch.set_num_threads(threads)
    _Desk(link, work).work()


class _Desk:
    """The worker's side: one thread works, another listens, so that a stop and the parent's end are heard at once."""

    def __init__(self, link: "Connection[Any, Any]", work: bytes) -> None:
        self.link, self.packed = link, work
        self.jobs: SimpleQueue[bytes] = SimpleQueue()
        self.stop = threading.Event()
        self.working = False
        self.turn = threading.Lock()

    def work(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        report, function = _Told(self), None
        while True:
            job = self.jobs.get()
            try:
                function = function or pickle.loads(self.packed)  # noqa: S301 - from the parent
                self.working = True
                answer = pickle.dumps(("result", function(pickle.loads(job), report)))  # noqa: S301
            except BaseException as error:
                answer = _packed(error)
            self.send(answer)
            self.working = False

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                kind, *rest = pickle.loads(self.link.recv_bytes())  # noqa: S301 - from the parent
                if kind == "job":
                    self.jobs.put(rest[0])
                else:
                    self.stop.set()
                    if not self.working:
                        break
        os._exit(0)  # whatever the other thread is at: nobody waits for it

    def send(self, message: bytes) -> None:
        """Send to the parent, whole even if several threads do; without a parent there is nothing left to do."""
        try:
            with self.turn:
                self.link.send_bytes(message)
        except OSError:
            os._exit(0)

    def tell(self, *message: object) -> None:
        self.send(pickle.dumps(message))


class _Told:
    """The Report of a worker: tells the parent."""

    def __init__(self, desk: _Desk) -> None:
        self._desk, self._numbers = desk, count()

    def note(self, text: str) -> None:
        self._desk.tell("note", text)

    def warn(self, text: str) -> None:
        self._desk.tell("warn", text)

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator[Task]:
        number = next(self._numbers)
        self._desk.tell("begin", number, label, total)
        task = _ToldTask(self._desk, number)
        try:
            yield task
        finally:
            task.tell()
            self._desk.tell("end", number)

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        yield self._desk.stop.is_set


class _ToldTask:
    def __init__(self, desk: _Desk, number: int) -> None:
        self._desk, self._number = desk, number
        self._steps, self._text, self._due = 0, "", 0.0

    def advance(self, steps: int = 1) -> None:
        self._steps += steps
        if time.monotonic() >= self._due:
            self.tell()

    def set_status(self, text: str) -> None:
        self._text = text

    def tell(self) -> None:
        self._desk.tell("progress", self._number, self._steps, self._text)
        self._steps, self._due = 0, time.monotonic() + _BETWEEN


def _packed(error: BaseException) -> bytes:
    """An error to send; one of a kind that cannot be sent becomes a RuntimeError of the same words."""
    if isinstance(error, DlcliError):
        return pickle.dumps(("refused", type(error), error.message, error.hint))
    trace = f"in a worker process:\n{traceback.format_exc()}"
    plain = RuntimeError(f"{type(error).__name__}: {error}")
    for one in (error, plain):
        one.add_note(trace)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        return pickle.dumps(("failed", error))
    except Exception:  # an error of anybody's making may not survive the way; its type, words and trace do
        return pickle.dumps(("failed", plain))
