"""What a run directory records of the sequences that its network was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.core.data.base import ImageData
from dlcli.support.json_metadata import check_metadata
from dlcli.support.schema import list_of, number, optional, text, whole

_NEEDED = {
    "rate": optional(number(0)),
    "symbols": list_of(text(), most=1_000_000),
    "steps": whole(1, 10**12),
    "column": optional(text()),
}


@dataclass(frozen=True)
class SavedSequences:
    """How sequences are read for a network.

    Attributes:
        rate: Steps per second; None if unknown.
        symbols: The characters that stand for the channels; empty for numbers.
        steps: Length of the longest sequence that it was trained or tested on.
        column: The column of labels that `label_column` named; None for a usual name.
    """

    rate: float | None
    symbols: tuple[str, ...]
    steps: int
    column: str | None

    @staticmethod
    def of(data: ImageData, column: str | None) -> "SavedSequences":
        """What is recorded of the sequences that a network was trained on."""
        return SavedSequences(rate=data.steps.rate, symbols=data.steps.symbols, steps=data.size[1], column=column)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {**vars(self), "symbols": list(self.symbols)}

    @staticmethod
    def from_json(found: Mapping[str, Any], path: Path) -> "SavedSequences":
        """What `to_json` wrote; raises InputError, naming `path`, for anything else."""
        check_metadata(found if isinstance(found, dict) else {}, path, _NEEDED, hint="dlcli train writes this file")
        return SavedSequences(**{**{name: found[name] for name in _NEEDED}, "symbols": tuple(found["symbols"])})
