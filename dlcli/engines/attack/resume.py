"""What a run of `dlcli attack` has made so far, in files, so that an interrupted one can go on from there."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dlcli.core.model_io.checkpoint import load_weights, read_metadata, save_tensors
from dlcli.support.errors import DlcliError, InputError, UsageError

_FACTS = "part"


@dataclass(frozen=True)
class PartialResult:
    """One tensor, images or lengths, the forward passes an image that it took, and the seconds."""

    tensor: Tensor
    queries: float
    seconds: float


@dataclass(frozen=True)
class PartialResults:
    """The parts in `folder`, a file each; `determined_by` is all they depend on besides what they are and by which attack."""

    folder: Path
    determined_by: Mapping[str, object]

    def load_or_make(self, name: str, attack: str, make: Callable[[], PartialResult]) -> PartialResult:
        """The part called `name` from its file, or made and put there; `attack` is the attack with its settings.

        Raises UsageError if the file is of a run with other options, InputError if it is damaged.
        """
        file = self.folder / (re.sub(r"[^a-z0-9.]+", "-", name) + ".safetensors")
        facts = json.loads(json.dumps({**self.determined_by, "settings": attack}))
        if file.exists():
            return self._read(file, facts)
        part = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        found = {"determined_by": facts, "queries": part.queries, "seconds": part.seconds}
        save_tensors(file, {_FACTS: part.tensor}, {_FACTS: json.dumps(found)})
        return part

    def remove(self) -> None:
        """Remove all parts, and the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, file: Path, facts: Mapping[str, object]) -> PartialResult:
        try:
            found = json.loads(read_metadata(file)[_FACTS])
            before, queries, seconds = dict(found["determined_by"]), float(found["queries"]), float(found["seconds"])
            tensor = load_weights(file)[_FACTS]
        except DlcliError:
            raise
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{file}: no part of an attack", hint=f"remove {self.folder}, or leave --resume out") from None
        other = [name for name in facts if before.get(name) != facts[name]]
        if other:
            hint = "give the options it was started with, or leave --resume out to start anew"
            raise UsageError(f"--resume: {self.folder} was begun with other {', '.join(other)}", hint=hint)
        return PartialResult(tensor, queries, seconds)
