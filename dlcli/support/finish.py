"""The last steps of a run, which mark it as finished: on the command line they come after the record of the run.

A run that is killed before its record is written then looks unfinished, and the same command line goes on and writes it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Step = Callable[[], object]
_waiting: ContextVar[list[Step] | None] = ContextVar("waiting", default=None)


def finish(step: Step) -> None:
    """Take a last step of a run: at once, or inside `finishing` at its end."""
    waiting = _waiting.get()
    if waiting is None:
        step()
    else:
        waiting.append(step)


@contextmanager
def finishing() -> Iterator[None]:
    """Take the last steps of what runs inside once all of it has succeeded; none if it fails."""
    waiting: list[Step] = []
    before = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(before)
    for step in waiting:
        step()
