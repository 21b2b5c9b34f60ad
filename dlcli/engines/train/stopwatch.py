"""How long a training takes, on the wall and on the processor."""

import time
from typing import NamedTuple


class Spent(NamedTuple):
    """Seconds on the wall, and of the processor in this process; None where they were not recorded."""

    seconds: float
    cpu_seconds: float | None

    def plus(self, more: "Spent") -> "Spent":
        """Both together."""
        known = self.cpu_seconds is not None and more.cpu_seconds is not None
        return Spent(self.seconds + more.seconds, (self.cpu_seconds or 0) + (more.cpu_seconds or 0) if known else None)


NONE_SPENT = Spent(0.0, 0.0)


class Stopwatch:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    @property
    def spent(self) -> Spent:
        """The time since then."""
        return Spent(time.perf_counter() - self._wall, time.process_time() - self._processor)
