"""Notes, warnings and progress on standard error while a command runs.

On a terminal progress is a Rich bar; elsewhere a plain line every few seconds, which is what a log wants.
"""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import get_terminal_size
from types import FrameType
from typing import Any, Self

from dlcli.cli.flags import with_flags
from dlcli.cli.layout import cells_of, wrapped
from dlcli.cli.streams import drawing, printable
from dlcli.cli.termination import end_if_asked
from dlcli.support.reporter import SILENT, Task

_SECONDS_BETWEEN_LINES = 5.0


class TerminalReporter:
    """The command line's Reporter: prints to standard error, with the fields in messages written as flags of `command`.

    Attributes:
        printed: The notes and warnings that were printed.
    """

    def __init__(self, command: str = "", *, quiet: bool = False, verbose: bool = False) -> None:
        self._command = command
        self._quiet = quiet
        self._verbose = verbose
        self._bars: Any = None
        self.printed: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the progress bars from the screen."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def note(self, text: str) -> None:
        """Print a line once, unless quiet."""
        if not self._quiet and text not in self.printed:
            self.printed.add(text)
            self._line(text)

    def path(self, text: str, path: Path, *, before: str = "") -> None:
        """Print `text` and a path, unless quiet: the path ends the line, or is whole on the next one after `before`."""
        name = f"{before}{printable(shlex.quote(str(path)))}"
        if not self._quiet:
            narrow = cells_of(text) + 1 + cells_of(name) > width()
            self._print(f"{folded(text)}\n{name}" if narrow else f"{text} {name}")

    def warn(self, text: str) -> None:
        """Print a warning, even if quiet: a result that may be other than expected must not look like any other."""
        self.printed.add(text)
        self._line(f"warning: {text}")

    def _line(self, text: str) -> None:
        self._print(folded(with_flags(text, self._command)))

    def _print(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator[Task]:
        """Show progress on `total` steps of `label`; see `end_if_asked`."""
        end_if_asked()
        if self._quiet:
            with SILENT.task(label, total) as task:
                yield task
        elif _has_cursor():
            yield from self._bar(label, total)
        else:
            yield _PlainTask(label, total, self._verbose)

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        """Note SIGINT and SIGTERM instead of being ended by them; a second one ends at once. Ignored ones stay ignored.

        A shell starts background jobs, and nohup programs, with signals that they are to ignore.
        """
        asked: list[int] = []
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        previous = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}

        def restore() -> None:
            for number, handler in previous.items():
                signal.signal(number, handler)

        def note(number: int, frame: FrameType | None) -> None:
            asked.append(number)
            restore()

        for number in previous:
            signal.signal(number, note)
        try:
            yield lambda: bool(asked)
        finally:
            restore()
        if asked:
            signal.raise_signal(asked[0])

    def log(self, run: str, epoch: int, figures: Mapping[str, float], *, final: bool = False) -> None:
        """Print nothing, for the result has these figures; see `Reporter`."""

    def _bar(self, label: str, total: int | None) -> Iterator[Task]:
        if self._bars is None:
            self._bars = _open_bars()
        number = self._bars.add_task(printable(label), total=total, status="")
        try:
            yield _BarTask(self._bars, number)
        finally:
            if self._bars is not None:
                self._bars.remove_task(number)


@contextmanager
def starting(command: str, *, quiet: bool) -> Iterator[None]:
    """Show on a terminal that the program runs, while it imports what takes seconds; the line goes when it is done."""
    if quiet or not _has_cursor():
        yield
        return
    screen = drawing(sys.stderr)
    screen.write(f"dlcli {command}: starting ...")
    screen.flush()
    try:
        yield
    finally:
        screen.write("\r\x1b[K")
        screen.flush()


def _has_cursor() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Cells of a line of standard error: those of a terminal, else as many as a line has, for logs are searched by line."""
    return get_terminal_size().columns if sys.stderr.isatty() else sys.maxsize


def folded(text: str) -> str:
    """The text as standard error shows it: printable, and on a terminal broken between words."""
    return "\n".join(part for line in text.splitlines() for part in wrapped(printable(line), width()))


def _open_bars() -> Any:
    from rich.console import Console

    from dlcli.cli.bars import ProgressBars

    bars = ProgressBars(Console(file=drawing(sys.stderr), no_color=bool(os.environ.get("NO_COLOR"))))
    bars.start()
    return bars


class _BarTask:
    def __init__(self, bars: Any, number: Any) -> None:
        self._bars = bars
        self._number = number

    def advance(self, steps: int = 1) -> None:
        self._bars.advance(self._number, steps)

    def set_status(self, text: str) -> None:
        self._bars.update(self._number, status=printable(text))


class _PlainTask:
    def __init__(self, label: str, total: int | None, verbose: bool) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._status = ""
        self._due = time.monotonic() + (0 if verbose else _SECONDS_BETWEEN_LINES)

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        self._print_if_due()

    def set_status(self, text: str) -> None:
        self._status = text
        self._print_if_due()

    def _print_if_due(self) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _SECONDS_BETWEEN_LINES
            whole = f" of {self._total:,}" if self._total else ""
            status = f", {self._status}" if self._status else ""
            sys.stderr.write(printable(f"{self._label}: {self._done:,}{whole}{status}") + "\n")
            sys.stderr.flush()
