"""Map a function over items in forked processes, for work that holds Python's lock, such as reading headers of images."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any, NamedTuple, NoReturn

import torch

from dlcli.support.errors import ResourceError


class _Worker(NamedTuple):
    """A forked process, and where its results arrive."""

    pid: int
    results: Connection


def may_fork() -> bool:
    """Whether processes can be forked here: on Linux, with several cores, and without a GPU in use."""
    return sys.platform == "linux" and cores() > 1 and not torch.cuda.is_initialized()


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def forked_map(function: Callable[[Any], Any], items: Sequence[Any], workers: int) -> Generator[Any, None, None]:
    """Map `function` over `items` in forked processes, in order.

    The processes begin with the first item and end with the iterator, however it ends. They see what this process had in memory
    when they began; of what they do, only results come back. `function` must not use torch, since a fork does not copy its
    threads, nor print.

    Args:
        function: Called in a process; its results are pickled. An exception becomes a RuntimeError here.
        items: Process k takes items k, k + `workers` ...
        workers: Number of processes.

    Yields:
        The results, in the order of `items`.

    Raises:
        ResourceError: If a process ends early, as for want of memory.
    """
    processes: list[_Worker] = []
    try:
        for k in range(min(workers, len(items))):
            processes.append(_start(function, items[k::workers], processes))
        for k in range(len(items)):
            try:
                failure, result = processes[k % workers].results.recv()
            except (EOFError, OSError):
                raise ResourceError("a process that was started to read files ended early", hint="free some memory") from None
            if failure:
                raise RuntimeError(failure)
            yield result
    finally:
        for process in processes:
            process.results.close()
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(process.pid, 0)


def _start(function: Callable[[Any], Any], items: Sequence[Any], others: Sequence[_Worker]) -> _Worker:
    here, there = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        _run(function, items, there, [here, *(other.results for other in others)])
    there.close()
    return _Worker(pid, here)


def _run(
    function: Callable[[Any], Any], items: Sequence[Any], results: Connection, inherited: Sequence[Connection]
) -> NoReturn:
    """The whole life of a process; it ends without the clean-up of the process that it was forked from."""
    try:
        gc.disable()  # objects of the other process are not to be destroyed here
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for connection in inherited:
            connection.close()
        for item in items:
            results.send(("", function(item)))
    except BaseException as error:
        with suppress(BaseException):
            results.send((f"{type(error).__name__}: {error}", None))
    finally:
        os._exit(0)
