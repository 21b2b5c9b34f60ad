"""The last steps of a run, which mark it as finished: on the command line they come after the record of the run.

A run that is killed before its record is written then looks unfinished, and the same command line goes on and writes it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

Step = Callable[[], object]


class LastStep(NamedTuple):
    """A step that waits: what it does, the files and folders that it removes, and the text of those that it writes."""

    take: Step
    removes: tuple[Path, ...]
    writes: Mapping[Path, str]


_waiting: ContextVar[list[LastStep] | None] = ContextVar("waiting", default=None)


def finish(step: Step, *, removes: Iterable[Path] = (), writes: Mapping[Path, str] | None = None) -> None:
    """Take a last step of a run: at once, or inside `finishing` at its end.

    Args:
        step: What is done.
        removes: The files and folders that it removes, which the record of the run does not list.
        writes: The text of the files that it writes, which the record lists before they are there.
    """
    waiting = _waiting.get()
    if waiting is None:
        step()
    else:
        waiting.append(LastStep(step, tuple(removes), writes or {}))


def last_steps() -> tuple[LastStep, ...]:
    """The steps that wait for the end of this run."""
    return tuple(_waiting.get() or ())


@contextmanager
def finishing() -> Iterator[None]:
    """Take the last steps of what runs inside once all of it has succeeded; none if it fails."""
    waiting: list[LastStep] = []
    before = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(before)
    for step in waiting:
        step.take()
