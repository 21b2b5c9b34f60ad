"""Where jobs on a cluster leave what they report, and look whether to stop; imports nothing, so that it starts at once."""

from typing import Any


class Mailbox:
    """An actor of Ray beside the process that asked for the jobs."""

    def __init__(self) -> None:
        self.messages: list[tuple[Any, ...]] = []
        self.stop = False

    def put(self, *message: Any) -> None:
        """Leave a message."""
        self.messages.append(message)

    def take(self) -> list[tuple[Any, ...]]:
        """All messages since the last call, in order."""
        taken, self.messages = self.messages, []
        return taken

    def halt(self) -> None:
        """Ask all jobs to stop."""
        self.stop = True

    def stopped(self) -> bool:
        """Whether jobs are to stop."""
        return self.stop
