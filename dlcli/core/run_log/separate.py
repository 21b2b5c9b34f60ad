"""A writer in a process of its own: a server that is slow, hangs or is gone delays no training, and nothing it imports is ours.

The parent sends records over a socket and never waits for an answer. `serve` writes them in turn, keeps those that fail, and
tries again. The process is killed at the end if it does not finish in time.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, Pipe
from typing import Any

from dlcli.core.run_log.base import Group, Record
from dlcli.core.run_log.retry import RetryingWriter

IDLE_S, MOST_S = 10.0, 60.0
"""Seconds that the end of a run waits for a writer from which nothing comes, and at most."""
_ORPHAN_S = 30.0
"""Seconds for which the process goes on writing when the one that started it was killed."""

_START = (
    "import sys, multiprocessing.connection as c; link = c.Connection(int(sys.argv[1])); sys.path[:] = link.recv(); "
    "from dlcli.core.run_log.separate import serve; serve(link)"
)


class SeparateWriter:
    """The parent's side; `trouble` is the last error of the writer, "" if there was none."""

    def __init__(self, module: str, target: str, group: Group) -> None:
        self.trouble = ""
        self._sent = self._written = 0
        self._ended = False
        self._link, theirs = Pipe()
        command = [sys.executable, "-P", "-c", _START, str(theirs.fileno()), "dlcli log"]
        # A session of its own: Ctrl-C reaches this process only, which then tells the other one to end. What libraries print
        # would stand between the result and the progress.
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this very Python
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self._send([path or os.getcwd() for path in sys.path])
        self._send((module, target, group))

    def write(self, record: Record) -> None:
        """See `Writer`; it returns at once."""
        self._send(record)
        self._sent += 1
        self._receive(0.0)

    def close(self, *, failed: bool) -> None:
        """See `Writer`; afterwards `missing` tells how many records were not written."""
        self._send(failed)
        end = time.monotonic() + MOST_S
        try:
            while not self._ended and time.monotonic() < end and self._receive(IDLE_S):
                pass
        finally:
            self._link.close()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def missing(self) -> int:
        """How many records are not known to be written."""
        return self._sent - self._written

    def _send(self, message: object) -> None:
        with suppress(OSError):  # `_receive` notices when the process has ended
            self._link.send(message)

    def _receive(self, seconds: float) -> bool:
        """Take the messages that come within some seconds; whether there was one."""
        seen = False
        try:
            while self._link.poll(0.0 if seen else seconds):
                kind, value = self._link.recv()
                seen = True
                self._written += kind == "written"
                self._ended = self._ended or kind == "ended"
                self.trouble = value if kind == "trouble" else self.trouble
        except (EOFError, OSError):
            self.trouble, self._ended = self.trouble or "its process ended", True
        return seen


def serve(link: "Connection[Any, Any]") -> None:
    """Write what the parent at the other end of `link` sends, until it tells to end, or is gone."""
    _Loop(link).run()
    os._exit(0)  # clients wait in exit handlers for what has been waited for already


class _Loop:
    """Writes records in turn; one thread reads the socket, so that the parent can always send."""

    def __init__(self, link: "Connection[Any, Any]") -> None:
        self._link, self._told = link, ""
        module, target, group = link.recv()
        self._inbox: queue.SimpleQueue[Record | bool] = queue.SimpleQueue()
        self._writer = RetryingWriter(
            lambda: import_module(module).open_writer(target, group), lambda: self._tell("written", None)
        )

    def run(self) -> None:
        """Go on until the parent ends it."""
        threading.Thread(target=self._listen, daemon=True).start()
        while not isinstance(message := self._inbox.get(), bool):
            self._writer.write(message)
            self._tell_trouble()
        self._writer.close(failed=message)
        self._tell_trouble()
        self._tell("ended", None)

    def _listen(self) -> None:
        try:
            while True:
                self._inbox.put(self._link.recv())
        except (EOFError, OSError):
            self._inbox.put(True)
            time.sleep(_ORPHAN_S)
            os._exit(0)

    def _tell_trouble(self) -> None:
        if self._writer.trouble != self._told:
            self._told = self._writer.trouble
            self._tell("trouble", self._told)

    def _tell(self, kind: str, value: object) -> None:
        with suppress(OSError):
            self._link.send_bytes(pickle.dumps((kind, value)))
