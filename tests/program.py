"""Run `dlcli` in a process forked from one that has the heavy packages imported.

Importing torch takes most of the time of a short run, so the suite imports it once for each test process. What runs is the real
`main` with its own arguments, standard streams, environment, working directory and exit status.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

HEAVY = [
    "typer",
    "rich.progress",
    "filelock",
    "torch",
    "torchvision",
    "numpy",
    "scipy.stats",
    "pandas",
    "sklearn.metrics",
    "safetensors.torch",
    "PIL.Image",
]
_forkserver = multiprocessing.get_context("forkserver")


def start(environment: dict[str, str]) -> None:
    """Start the process that others are forked from; its environment decides how many threads torch and BLAS use."""
    from multiprocessing import forkserver

    _forkserver.set_forkserver_preload(HEAVY)
    with _in_environment(environment):
        forkserver.ensure_running()


def run(
    arguments: Sequence[str], *, stdin: bytes, cwd: Path, env: dict[str, str], timeout: float
) -> "subprocess.CompletedProcess[bytes]":
    """Run `dlcli ARGUMENTS` as `subprocess.run` would, with what it wrote to standard output and standard error."""
    (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
    streams = (theirs_in, theirs_out, theirs_err)
    process = _forkserver.Process(target=_program, args=(arguments, str(cwd), env, [_Stream(stream) for stream in streams]))
    process.start()
    for stream in streams:
        os.close(stream)
    with ThreadPoolExecutor(3) as pool:
        pool.submit(_write, ours_in, stdin)
        out, err = pool.submit(_read, ours_out), pool.submit(_read, ours_err)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(["dlcli", *arguments], timeout, out.result(), err.result())
        status = process.exitcode
        process.close()
        return subprocess.CompletedProcess(["dlcli", *arguments], status, out.result(), err.result())


class _Stream:
    """A file descriptor that arrives in the other process as a duplicate."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return _detached, (DupFd(self.number),)


def _detached(stream: Any) -> int:
    return int(stream.detach())


def _program(arguments: Sequence[str], cwd: str, env: dict[str, str], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv, sys.path[:] = ["dlcli", *arguments], [cwd, *sys.path]
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    from dlcli.cli.app import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()


def _write(stream: int, content: bytes) -> None:
    try:
        with open(stream, "wb") as file:
            file.write(content)
    except BrokenPipeError:
        pass  # the program need not read its input


def _read(stream: int) -> bytes:
    with open(stream, "rb") as file:
        return file.read()


@contextmanager
def _in_environment(environment: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
