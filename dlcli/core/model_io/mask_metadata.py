"""What a run directory records of a network that predicts masks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.core.data.mask_labels import FOREGROUND, MaskReading
from dlcli.core.objectives import OBJECTIVES
from dlcli.core.objectives.base import MaskObjective
from dlcli.specs.masks import MASK_LOSSES
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.schema import list_of, optional, text, whole

_NEEDED = {"loss": text(), "size": optional(whole(1, 65_536)), "ignore": optional(whole(0, 65_535))}


@dataclass(frozen=True)
class SavedMasks:
    """How masks were read and learned.

    Attributes:
        loss: A value of MASK_LOSSES.
        size: What the shorter side of pictures was resized to, in pixels; None for their own size.
        ignore: The label number without a class, besides 255.
        classes: The names of the classes.
    """

    loss: str
    size: int | None
    ignore: int | None
    classes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, without the classes, which the run directory records anyway."""
        return {name: value for name, value in vars(self).items() if name != "classes"}

    @staticmethod
    def from_json(metadata: Mapping[str, Any], path: Path) -> "SavedMasks":
        """What the metadata of a run directory have of it; raises InputError, naming `path`, if they are damaged."""
        found = metadata.get("masks")
        hint = "dlcli train writes this file"
        check_metadata(found if isinstance(found, dict) else {}, path, _NEEDED, hint=hint)
        check_metadata(dict(metadata), path, {"classes": list_of(text(), least=1)}, hint=hint)
        values = {name: found[name] for name in _NEEDED} if isinstance(found, dict) else {}
        if values["loss"] not in MASK_LOSSES:
            raise InputError(f"{path}: the loss that is recorded is none of this version", hint="update dlcli")
        return SavedMasks(**values, classes=tuple(metadata["classes"]))

    def reading(self) -> MaskReading:
        """How the masks of other data are read."""
        binary = True if self.classes == FOREGROUND else None if len(self.classes) == 2 else False
        return MaskReading(self.ignore, self.classes, binary)

    def objective(self) -> MaskObjective:
        """The loss, without class weights."""
        kind: type[MaskObjective] = OBJECTIVES.module(self.loss).MASK_OBJECTIVE
        return kind(self.classes)
