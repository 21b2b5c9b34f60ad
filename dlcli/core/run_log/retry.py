"""Records that wait to be written: those that failed are tried again in their order."""

import time
from collections import deque
from collections.abc import Callable

from dlcli.core.run_log.base import Record, Writer

_RETRY_S = 10.0
_LONG = 120


class RetryingWriter:
    """A writer that is opened with the first record; `trouble` is its last error, "" if there was none.

    `missing` counts the records that are not written yet. `wrote` is called after each one.
    """

    def __init__(self, open_writer: Callable[[], Writer], wrote: Callable[[], None] = lambda: None) -> None:
        self._open_writer, self._wrote = open_writer, wrote
        self._writer: Writer | None = None
        self._waiting: deque[Record] = deque()
        self._retry, self.trouble = 0.0, ""

    @property
    def missing(self) -> int:
        """How many records are not written."""
        return len(self._waiting)

    def open(self) -> None:
        """Open the writer now, for errors that are to end the run; raises what it does."""
        self._writer = self._open_writer()

    def write(self, record: Record) -> None:
        """See `Writer`; raises nothing."""
        self._waiting.append(record)
        if time.monotonic() >= self._retry:
            self._write_waiting()

    def close(self, *, failed: bool) -> None:
        """See `Writer`; raises nothing."""
        self._write_waiting()
        try:
            if self._writer is not None:
                self._writer.close(failed=failed)
        except Exception as error:  # a log must not end a training, whatever its library raises
            self.trouble = _in_a_line(error)

    def _write_waiting(self) -> None:
        try:
            if self._writer is None:
                self.open()
            while self._waiting and self._writer is not None:
                self._writer.write(self._waiting[0])
                self._waiting.popleft()
                self._wrote()
        except Exception as error:  # as above
            self._retry, self.trouble = time.monotonic() + _RETRY_S, _in_a_line(error)


def _in_a_line(error: BaseException) -> str:
    """What went wrong; of a long message its first cause, for clients wrap a refused connection many times."""
    line = next(iter(str(error).strip().splitlines()), "")
    cause = error.__cause__ or error.__context__
    if len(line) > _LONG and cause is not None:
        return _in_a_line(cause)
    return f"{type(error).__name__}: {line[:_LONG]}" if line else type(error).__name__
