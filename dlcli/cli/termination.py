"""What SIGTERM does to the command line: it ends the run like an error, so that nothing half-written stays."""

from types import FrameType


class Terminated(BaseException):
    """SIGTERM arrived; a BaseException so that no `except Exception` on the way swallows it."""


asked_to_end: list[int] = []
"""The signals that asked this process to end."""


def terminate(number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM. Raises Terminated."""
    asked_to_end.append(number)
    raise Terminated


def end_if_asked() -> None:
    """Raise Terminated if SIGTERM arrived before: the import of a library may swallow whatever is raised in it."""
    if asked_to_end:
        raise Terminated
