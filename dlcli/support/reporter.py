"""The interface through which engines report notes, warnings and progress, never the result."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """Progress on a piece of work of known or unknown length."""

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more of the work as done."""

    def set_status(self, text: str) -> None:
        """Show `text` (a loss, a rate) beside the progress."""


class Reporter(Protocol):
    """Receives what an engine reports; the command line prints it on standard error."""

    def note(self, text: str) -> None:
        """Report something worth knowing that is not part of the result."""

    def warn(self, text: str) -> None:
        """Report something that may make the result other than expected."""

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        """Start a piece of work of `total` steps (None: unknown)."""

    def stoppable(self) -> AbstractContextManager[Callable[[], bool]]:
        """Postpone SIGINT and SIGTERM to the end of the block; yields a function that returns whether one has arrived.

        So the work can finish its step and save.
        """

    def log(self, run: str, epoch: int, figures: Mapping[str, float], *, final: bool = False) -> None:
        """Report the figures of a training after an epoch, for logs that other programs read.

        Args:
            run: Name of the training in the command.
            epoch: Counted from 1.
            figures: By name.
            final: Whether they are those of the finished network, whose weights are of that epoch.
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

    def log(self, run: str, epoch: int, figures: Mapping[str, float], *, final: bool = False) -> None:
        pass


SILENT: Reporter = _Silent()
"""The default of every engine: reports nothing."""


class Unstoppable:
    """A reporter that lets SIGINT and SIGTERM end the run at once, for work that stores what is finished as it goes."""

    def __init__(self, report: Reporter) -> None:
        self.note, self.warn, self.task, self.log = report.note, report.warn, report.task, report.log
        self.stoppable = SILENT.stoppable
