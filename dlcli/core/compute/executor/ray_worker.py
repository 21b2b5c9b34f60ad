"""A job on a node of a cluster: opens what it needs there, reports through the mailbox, and returns its result as bytes."""

import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import ray
import torch

from dlcli.core.compute.worker_process import pickled_error
from dlcli.support.allocator import keep_freed
from dlcli.support.cublas import fix_workspace
from dlcli.support.errors import InputError
from dlcli.support.reporter import Task
from dlcli.support.trust import Trust, trusting

_PROGRESS_S = 0.2
"""Least number of seconds between two messages about the same progress."""
_ASKED_S = 0.5
"""Seconds between two questions to the mailbox whether to stop."""


@dataclass(frozen=True)
class Setting:
    """What is set in the process of a job, as in a worker process of one machine.

    Attributes:
        folder: The working directory, from which paths of the input start.
        paths: Where modules are looked for.
        threads: CPU threads of torch.
        gpu: Whether it uses the GPU that Ray assigned.
        quiet: Whether warnings of libraries are hidden.
        trust: The code that may be imported.
    """

    folder: str
    paths: tuple[str, ...]
    threads: int
    gpu: bool
    quiet: bool
    trust: Trust | None


def run_job(packed: bytes, job: bytes, number: int, setting: Setting, mailbox: Any) -> bytes:
    """Do a job.

    Args:
        packed: The function, pickled.
        job: What it is called with, pickled.
        number: That of the job.
        setting: What is set first.
        mailbox: Receives what the function reports.

    Returns:
        The pickled message of a worker: "result" and what the function returned, or its error.
    """
    _prepare(setting)
    report = _MailboxReporter(mailbox, number)
    try:
        with trusting(setting.trust):
            return pickle.dumps(("result", _opened(packed)(pickle.loads(job), report)))  # noqa: S301 - a trusted cluster
    except BaseException as error:
        return pickled_error(error)


def open_here(packed: bytes, setting: Setting) -> bytes:
    """Open what the function of the jobs needs on this node; returns the message of `run_job`, with None as the result."""
    _prepare(setting)
    try:
        with trusting(setting.trust):
            _opened(packed)
            return pickle.dumps(("result", None))
    except BaseException as error:
        return pickled_error(error)


@lru_cache(maxsize=1)
def _opened(packed: bytes) -> Callable[[Any, Any], Any]:
    """The function, which may read data when it is unpickled: once in each process."""
    try:
        function: Callable[[Any, Any], Any] = pickle.loads(packed)  # noqa: S301 - a trusted cluster
    except InputError as error:
        name = ray.util.get_node_ip_address()
        hint = "each node has to read the same input at the same path"
        raise InputError(f"node {name}: {error.message}", hint=hint) from None
    return function


def _prepare(setting: Setting) -> None:
    if os.path.isdir(setting.folder):
        os.chdir(setting.folder)
    sys.path += [path for path in setting.paths if path not in sys.path and os.path.isdir(path)]
    if not setting.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if setting.quiet:
        warnings.simplefilter("ignore")
    keep_freed()
    fix_workspace()
    torch.set_num_threads(setting.threads)


class _MailboxReporter:
    """The reporter of a job: everything goes to the mailbox, with the number of the job and of the attempt at it."""

    def __init__(self, mailbox: Any, job: int) -> None:
        self._mailbox, self._job, self._numbers = mailbox, job, count()
        self._attempt = f"{os.getpid()} {time.time()}"
        self._stop, self._asked = False, time.monotonic()
        self.put("where", ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address())

    def put(self, *message: object) -> None:
        self._mailbox.put.remote(self._job, self._attempt, *message)

    def note(self, text: str) -> None:
        self.put("note", text)

    def warn(self, text: str) -> None:
        self.put("warn", text)

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator[Task]:
        number = next(self._numbers)
        self.put("begin", number, label, total)
        task = _MailboxTask(self, number)
        try:
            yield task
        finally:
            task.flush()
            self.put("end", number)

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        yield self._is_to_stop

    def _is_to_stop(self) -> bool:
        if not self._stop and time.monotonic() - self._asked > _ASKED_S:
            self._stop = bool(ray.get(self._mailbox.stopped.remote()))
            self._asked = time.monotonic()
        return self._stop

    def log(self, run: str, epoch: int, figures: Mapping[str, float], *, final: bool = False) -> None:
        self.put("log", run, epoch, dict(figures), final)


class _MailboxTask:
    def __init__(self, report: _MailboxReporter, number: int) -> None:
        self._report, self._number = report, number
        self._steps, self._text, self._due = 0, "", 0.0

    def advance(self, steps: int = 1) -> None:
        self._steps += steps
        if time.monotonic() >= self._due:
            self.flush()

    def set_status(self, text: str) -> None:
        self._text = text

    def flush(self) -> None:
        self._report.put("progress", self._number, self._steps, self._text)
        self._steps, self._due = 0, time.monotonic() + _PROGRESS_S
