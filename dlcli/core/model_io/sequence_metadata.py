"""What a run directory records of the sequences that its network was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.core.data.base import ImageData
from dlcli.core.training.next_step import KINDS, NextStepLoss
from dlcli.support.json_metadata import check_metadata
from dlcli.support.schema import list_of, mapping_of, number, one_of, optional, real, text, whole

_NEEDED = {
    "rate": optional(number(0)),
    "symbols": list_of(text(), most=1_000_000),
    "steps": whole(1, 10**12),
    "column": optional(text()),
}
_MORE = {
    "next": mapping_of(lambda value: ""),
    "cut": optional(whole(2, 10**12)),
    "channels": list_of(text(), most=1_000_000),
}
_NEXT = {
    "kind": one_of(*KINDS),
    "channels": list_of(text(), most=1_000_000),
    "mean": list_of(real(), most=1_000_000),
    "deviation": list_of(number(0), most=1_000_000),
}


@dataclass(frozen=True)
class SavedSequences:
    """How sequences are read for a network.

    Attributes:
        rate: Steps per second; None if unknown.
        symbols: The characters that stand for the channels; empty for numbers.
        steps: Length of the longest sequence that it was trained or tested on.
        column: The column of labels that `label_column` named; None for a usual name.
        next: What the next step is that the network predicts; None if it predicts classes.
        cut: Of how many steps the pieces are into which longer sequences are cut; None for whole ones.
        channels: The names of the channels; empty where the data did not name them.
    """

    rate: float | None
    symbols: tuple[str, ...]
    steps: int
    column: str | None
    next: NextStepLoss | None = None
    cut: int | None = None
    channels: tuple[str, ...] = ()

    @staticmethod
    def of(data: ImageData, column: str | None) -> "SavedSequences":
        """What is recorded of the sequences that a network was trained on."""
        steps = data.steps
        return SavedSequences(
            rate=steps.rate, symbols=steps.symbols, steps=data.size[1], column=column, channels=steps.channels
        )

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        found: dict[str, Any] = {"rate": self.rate, "symbols": list(self.symbols), "steps": self.steps, "column": self.column}
        found |= {"channels": list(self.channels)} if self.channels else {}
        found |= {} if self.next is None else {"next": self.next.to_json()}
        return found if self.cut is None else {**found, "cut": self.cut}

    @staticmethod
    def from_json(found: Mapping[str, Any], path: Path) -> "SavedSequences":
        """What `to_json` wrote; raises InputError, naming `path`, for anything else."""
        hint = "dlcli train writes this file"
        check_metadata(found if isinstance(found, dict) else {}, path, _NEEDED, _MORE, hint=hint)
        values = {name: found[name] for name in _NEEDED} | {"cut": found.get("cut")}
        values |= {name: tuple(found.get(name, ())) for name in ("symbols", "channels")}
        if "next" not in found:
            return SavedSequences(**values)
        check_metadata(found["next"], path, _NEXT, hint=hint)
        parts = {name: tuple(found["next"][name]) for name in ("channels", "mean", "deviation")}
        return SavedSequences(**values, next=NextStepLoss(found["next"]["kind"], **parts))
