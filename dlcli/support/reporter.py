"""How an engine talks while it works: notes, warnings and progress, never the result."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One stretch of work with a known or unknown length."""

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more of the work as done."""

    def set_status(self, text: str) -> None:
        """Show `text` (a loss, a rate) beside the progress."""


class Reporter(Protocol):
    """Where an engine's talk goes; the command line sends it to standard error."""

    def note(self, text: str) -> None:
        """Tell something worth knowing that is not the result."""

    def warn(self, text: str) -> None:
        """Tell something that may make the result other than expected."""

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        """Open a stretch of work of `total` steps (None: unknown)."""

    def stoppable(self) -> AbstractContextManager[Callable[[], bool]]:
        """Inside the block, being told to stop is only noted, and what is yielded says whether it was.

        So the work can finish its step and save; at the end of the block the stop takes effect.
        """


class _SilentTask:
    def advance(self, steps: int = 1) -> None:
        pass

    def set_status(self, text: str) -> None:
        pass


class _Silent:
    def note(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator[Task]:
        yield _SilentTask()

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        yield lambda: False


SILENT: Reporter = _Silent()
"""The default of every engine: says nothing."""
