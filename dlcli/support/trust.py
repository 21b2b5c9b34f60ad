"""Which code may be imported: an engine imports what its configuration spells, unless recorded code is trusted."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Trust:
    """The code that may be imported.

    Attributes:
        spellings: As the user typed them, such as `nets.py:Net`.
        recorded: Whether code that a file names may be imported too.
    """

    spellings: frozenset[str]
    recorded: bool

    def allows(self, spelling: str) -> bool:
        """Whether the code of this name may be imported."""
        return self.recorded or spelling in self.spellings


_CURRENT: ContextVar[Trust | None] = ContextVar("_CURRENT", default=None)


def current_trust() -> Trust | None:
    """The trust in effect; None outside of engines, where the caller names the code."""
    return _CURRENT.get()


@contextmanager
def trusting(trust: Trust | None) -> Iterator[None]:
    """Let only this code be imported inside the block."""
    token = _CURRENT.set(trust)
    try:
        yield
    finally:
        _CURRENT.reset(token)
