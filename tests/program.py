"""Run `dlcli` in a process forked from one that has the heavy packages and all modules of dlcli imported.

Importing takes most of the time of a short run, so the suite imports once for each test process. What runs is the real `main`
with its own arguments, standard streams, environment, working directory, process group and exit status.
"""

import atexit
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.reduction import DupFd
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

_forkserver = multiprocessing.get_context("forkserver")


def start(environment: dict[str, str]) -> None:
    """Start the process that others are forked from; its environment decides how many threads torch and BLAS use."""
    from multiprocessing import forkserver

    _forkserver.set_forkserver_preload(["tests.preload"])
    with _in_environment(environment):
        forkserver.ensure_running()


class _Setting(NamedTuple):
    """What the forked process sets before it runs the command."""

    cwd: str
    env: dict[str, str]
    file_size: int | None
    new_session: bool
    unprivileged: bool


class _Forked:
    """A forked process, with the methods of `subprocess.Popen` that need no stream."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        self._process = _forkserver.Process(target=target, args=arguments)
        self._process.start()
        self.pid = self._process.pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, or None while the process runs."""
        if self.returncode is None:
            self._process.join(0)
            self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status."""
        if self.returncode is None:
            self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self.pid, timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process unless it has ended."""
        self.send_signal(signal.SIGKILL)


class Worker(_Forked):
    """Stands in for `subprocess.Popen` in `dlcli.core.compute.workers`: runs the same code on the same socket, but forked."""

    def __init__(self, command: Sequence[str], *, env: dict[str, str], **options: Any) -> None:
        _, _, _, code, link, _ = command
        super().__init__(_worker, code, _Stream(int(link)), env)


class Program(_Forked):
    """`dlcli ARGUMENTS` in a forked process, with the methods of `subprocess.Popen` that the tests use.

    A standard stream is `subprocess.PIPE` or a file descriptor.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: dict[str, str],
        stdin: int = subprocess.PIPE,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        file_size: int | None = None,
        new_session: bool = False,
        unprivileged: bool = False,
    ) -> None:
        """Start `command`: the word dlcli or the path of a script, and the arguments.

        Args:
            command: The program and its arguments.
            cwd: Working directory.
            env: The whole environment.
            stdin: Standard input.
            stdout: Standard output.
            stderr: Standard error.
            file_size: The largest file that the process may write, in bytes, as a disk that is nearly full.
            new_session: Whether the process leads a session and a process group of its own.
            unprivileged: Whether modes of files hold for root as for any other user; on Linux only.
        """
        self.args = list(map(str, command))
        self._ours: dict[int, IO[bytes]] = {}
        streams, theirs = [], []
        for number, stream in enumerate((stdin, stdout, stderr)):
            if stream == subprocess.PIPE:
                reader, writer = os.pipe()
                stream, kept = (reader, writer) if number == 0 else (writer, reader)
                theirs.append(stream)
                self._ours[number] = open(kept, "wb" if number == 0 else "rb")
            streams.append(_Stream(stream))
        self.stdin, self.stdout, self.stderr = (self._ours.get(number) for number in range(3))
        setting = _Setting(str(cwd), env, file_size, new_session, unprivileged)
        super().__init__(_program, self.args, streams, setting)
        for stream in theirs:
            os.close(stream)

    def communicate(self, content: bytes = b"", timeout: float | None = None) -> tuple[bytes, bytes]:
        """Write `content`, read standard output and standard error to their ends, and wait for the exit status."""
        with ThreadPoolExecutor(3) as pool:
            if self.stdin:
                pool.submit(_write, self.stdin, content)
            out, err = (pool.submit(_read, stream) for stream in (self.stdout, self.stderr))
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                self.wait()
                raise
            return out.result(), err.result()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for stream in self._ours.values():
            stream.close()
        if kind is not None:
            self.kill()
        self.wait()
        self._process.close()


def run(
    command: Sequence[str | Path], *, stdin: bytes = b"", timeout: float = 300, **options: Any
) -> "subprocess.CompletedProcess[bytes]":
    """Run `command` as `subprocess.run` would, with what it wrote to standard output and standard error; see `Program`."""
    with Program(command, **options) as program:
        out, err = program.communicate(stdin, timeout)
        return subprocess.CompletedProcess(program.args, program.wait(), out, err)


class _Stream:
    """A file descriptor that arrives in the other process as a duplicate."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return _detached, (DupFd(self.number),)


def _detached(stream: Any) -> int:
    return int(stream.detach())


def _program(command: Sequence[str], streams: list[int], setting: _Setting) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if setting.new_session:
        os.setsid()
    if setting.file_size is not None:
        sys.dont_write_bytecode = True  # Python would keep the truncated files, and later programs would fail on them
        resource.setrlimit(resource.RLIMIT_FSIZE, (setting.file_size, setting.file_size))
    if setting.unprivileged and os.geteuid() == 0:
        _give_up_access()
    _set_environment(setting.env)
    os.chdir(setting.cwd)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    try:
        _main(command)
    finally:
        atexit._run_exitfuncs()


def _give_up_access() -> None:
    """Give up what lets root read and write files whatever their mode is (CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH)."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for k in range(3):  # effective, permitted, inheritable
        sets[k] &= ~0b110
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def _worker(code: str, link: int, env: dict[str, str]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))  # as what `workers` starts inherits it
    os.dup2(2, 1)
    _set_environment(env)
    sys.argv = ["-c", str(link)]
    exec(code, {"__name__": "__main__"})  # noqa: S102 - what the interpreter would run


def _main(command: Sequence[str]) -> None:
    sys.argv = list(command)
    if command[0] == "dlcli":
        from dlcli.cli.app import main

        sys.path.insert(0, os.getcwd())  # as `python -m` does
        main()
    else:
        sys.path.insert(0, str(Path(command[0]).parent))
        runpy.run_path(command[0], run_name="__main__")


def _write(stream: IO[bytes], content: bytes) -> None:
    try:
        with stream:
            stream.write(content)
    except BrokenPipeError:
        pass  # the program need not read its input


def _read(stream: IO[bytes] | None) -> bytes:
    return stream.read() if stream and not stream.closed else b""


@contextmanager
def _in_environment(environment: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    _set_environment(environment)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
