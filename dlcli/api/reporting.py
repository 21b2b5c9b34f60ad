"""What a function reports while it runs: warnings as Python's, and progress only if it is asked for."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dlcli.support.errors import DlcliWarning
from dlcli.support.reporter import SILENT, Reporter

_PACKAGE = str(Path(__file__).resolve().parent.parent)


def reporter(*, progress: bool) -> Reporter:
    """Issues what an engine warns of as a DlcliWarning; shows notes and progress on standard error only with `progress`.

    Notes that belong to a result are on it in any case.
    """
    if not progress:
        return _Quiet()
    from dlcli.cli.reporter import TerminalReporter

    class Shown(TerminalReporter):
        def warn(self, text: str) -> None:
            _warn(text)

        @contextmanager
        def stoppable(self) -> Iterator[Callable[[], bool]]:
            with SILENT.stoppable() as stop:  # signals belong to the program, and a thread may not handle them
                yield stop

    return Shown()


class _Quiet(type(SILENT)):  # type: ignore[misc]
    def warn(self, text: str) -> None:
        _warn(text)


def _warn(text: str) -> None:
    """Issue a warning at the line of the program that called the library."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and str(Path(frame.f_code.co_filename)).startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, DlcliWarning, stacklevel=level)
