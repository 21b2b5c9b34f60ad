"""What a log gets: which runs there are, and their figures after each epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Group:
    """The runs of one command.

    Attributes:
        name: What the command trained on.
        id: Letters and digits that no other command has; the same for one that is resumed.
        folder: The output folder, None without one.
        resumed: Whether the runs may have been logged in part.
        figures: Names of all figures that runs can have, in order.
        runs: The settings of each run, by its name, in the order in which they are reported.
    """

    name: str
    id: str
    folder: Path | None
    resumed: bool
    figures: tuple[str, ...]
    runs: Mapping[str, Mapping[str, str | float]]

    @property
    def label(self) -> str:
        """Name and id, as the name of a folder."""
        return f"{slug(self.name)}-{self.id}"


@dataclass(frozen=True)
class Record:
    """Figures of a run after an epoch, counted from 1; `final`: of the finished network, whose weights are of that epoch."""

    run: str
    epoch: int
    figures: Mapping[str, float]
    final: bool = False


class Writer(Protocol):
    """Writes records to one place. Any exception is a failure to write, after which `write` may get the same record again."""

    def write(self, record: Record) -> None:
        """Write a record; one that is there already is written once."""

    def close(self, *, failed: bool) -> None:
        """End the runs that are not final: those of a command that failed, or that was stopped."""


def slug(text: str) -> str:
    """The text as a file name that needs no quotes at the shell."""
    return "".join(letter if letter.isalnum() or letter in "=.,_-" else "-" for letter in text).strip("-.") or "run"
