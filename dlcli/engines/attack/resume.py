"""Images that a run of `dlcli attack` has made so far, stored so that an interrupted run can continue from them."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dlcli.core.model_io.checkpoint import load_state, save_state
from dlcli.engines.other_options import other_options
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.schema import mapping_of, number

_SETTINGS = "setting of the attack"
_KEY = "part"
"""The tensor of a file."""
_FACTS = {"determined_by": mapping_of(lambda value: ""), "queries": number(0), "seconds": number(0)}
"""What a file records of it."""
_TYPED = re.compile(r"\b(steps|restarts)=(\d+)")
"""The settings of an attack, as it is printed, that are options."""
_FOLLOW = {
    "limit": ("data", "number of images"),
    "device": ("number format", "number of threads"),
    "steps": (_SETTINGS,),
    "restarts": (_SETTINGS,),
}
"""What else may differ where one fact does."""


def parts_folder(config: AttackConfig) -> Path | None:
    """Where a run stores images until it ends; None if it writes no files."""
    if config.output is not None:
        return config.output / "parts"
    return None if config.save is None else Path(f"{config.save}.parts")


def stored_parts(config: AttackConfig) -> int:
    """How many results an interrupted run has stored."""
    folder = parts_folder(config)
    return 0 if folder is None else len(list(folder.glob("*.safetensors")))


@dataclass(frozen=True)
class PartialResult:
    """One tensor, images or norms, with the forward passes per image and the seconds that it took."""

    tensor: Tensor
    queries: float
    seconds: float


@dataclass(frozen=True)
class PartialResults:
    """Partial results of a run in `folder`, one file per result.

    `determined_by` is everything that all of them depend on (data, weights, norm, seed, device, ...) in the terms of JSON. Each
    file stores it with the settings of its attack, and is used again only if both are the same: images of other weights or of
    another seed would give figures that no single run could have given.
    """

    folder: Path
    determined_by: Mapping[str, object]

    def load_or_make(self, name: str, attack: str, make: Callable[[], PartialResult]) -> PartialResult:
        """The result called `name`, read from its file or else made and stored.

        Args:
            name: What the result is: method, eps and network. The file is named after it.
            attack: The attack with its settings.
            make: Called if there is no such file.

        Raises:
            UsageError: If the file is of a run with other options.
            InputError: If the file is damaged.
        """
        if self.has(name):
            return self._read(self._file(name), self._wanted(attack))
        made = make()
        self.store(name, attack, made)
        return made

    def has(self, name: str) -> bool:
        """Whether the result called `name` is stored."""
        return self._file(name).exists()

    def store(self, name: str, attack: str, made: PartialResult) -> None:
        """Store a result.

        Args:
            name: What the result is.
            attack: The attack with its settings.
            made: The result.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        metadata = {"determined_by": self._wanted(attack), "queries": made.queries, "seconds": made.seconds}
        save_state(self._file(name), {_KEY: made.tensor}, metadata)

    def _file(self, name: str) -> Path:
        return self.folder / (re.sub(r"[^a-z0-9.]+", "-", name) + ".safetensors")

    def _wanted(self, attack: str) -> dict[str, object]:
        # Once through JSON, so that values compare equal to those read from a file (tuples become lists).
        found: dict[str, object] = json.loads(
            json.dumps({**self.determined_by, _SETTINGS: attack, **dict(_TYPED.findall(attack))})
        )
        return found

    def remove(self) -> None:
        """Remove the folder with all results."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, file: Path, wanted: Mapping[str, object]) -> PartialResult:
        hint = f"remove {self.folder}, or drop `resume`"
        state = load_state(file, hint)
        check_metadata(state.facts if isinstance(state.facts, dict) else {}, file, _FACTS, hint=hint)
        if _KEY not in state.tensors:
            raise InputError(f"{file}: not a partial result of dlcli attack", hint=hint)
        before = state.facts["determined_by"]
        other = other_options(before, wanted, AttackConfig, _FOLLOW)
        if other:
            hint = "give the options of the interrupted run, or drop `resume` to start again"
            raise UsageError(f"`resume`: {self.folder} was started with {other}", hint=hint)
        return PartialResult(state.tensors[_KEY], float(state.facts["queries"]), float(state.facts["seconds"]))
