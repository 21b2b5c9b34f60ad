"""An ensemble on disk: a folder of run directories, and a metadata file with their names and the combination rule.

`members/000`, `members/001` ... are run directories, each a trained network of its own; `ensemble.json` is written when all
of them are there.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from dlcli.core.data.base import SCORE
from dlcli.core.ensembles.combine import RULES
from dlcli.core.ensembles.score_rules import SCORE_RULES
from dlcli.core.model_io.run_dir import SavedNetwork, load_model
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.finish import finish
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.schema import list_of, one_of, text

METADATA, MEMBERS = "ensemble.json", "members"


def _inside(value: Any) -> str:
    """A check for paths that stay in their folder."""
    wrong = text()(value)
    if wrong or Path(value).is_absolute() or ".." in Path(value).parts:
        return wrong or "a path in this folder"
    return ""


_NEEDED = {"rule": one_of(*RULES, *SCORE_RULES), "members": list_of(_inside, least=1, most=100_000)}


@dataclass(frozen=True)
class SavedEnsemble:
    """Networks read from the folder of an ensemble, in evaluation mode and on their device, and the rule they are to follow.

    `folders` are those of the members.
    """

    members: tuple[SavedNetwork, ...]
    rule: str
    folders: tuple[Path, ...]

    @property
    def spec(self) -> str:
        """What the members are: `10 x lenet`, or `5 x lenet + 5 x mnist-net`."""
        counts = Counter(" with ".join((one.spec, *one.surgery)) for one in self.members)
        return " + ".join(f"{count} x {name}" for name, count in counts.items())

    @property
    def sha256(self) -> str:
        """That of the members' own, in their order."""
        return combined_sha256([one.sha256 for one in self.members])


def combined_sha256(digests: Sequence[str]) -> str:
    """One SHA-256 for several networks: the hash of their own hashes, one per line."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def member_folder(folder: Path, number: int) -> Path:
    """The run directory of the member so numbered, from 0."""
    return folder / MEMBERS / f"{number:03}"


def save_ensemble_metadata(
    folder: Path, members: int, rule: str, group: str | None = None, learned: Mapping[str, Any] | None = None
) -> None:
    """Write `ensemble.json` once all members are there, as the last step of a run.

    Args:
        folder: Where.
        members: Number of members.
        rule: How they are combined.
        group: Metadata column of the groups that the sets keep together.
        learned: What else is recorded of the task, in the terms of JSON.
    """
    names = [member_folder(Path(), number).as_posix() for number in range(members)]
    known = {**({} if group is None else {"group": group}), **(learned or {})}
    path, text = folder / METADATA, json.dumps({"rule": rule, "members": names, **known}, indent=2) + "\n"
    finish(partial(write_text, path, text), writes={path: text})


def is_ensemble(folder: Path) -> bool:
    """Whether `folder` holds an ensemble that is complete."""
    return (folder / METADATA).is_file()


def count_members(folder: Path) -> int:
    """How many members `ensemble.json` in `folder` lists; raises InputError if it is damaged."""
    return len(_read_metadata(folder)["members"])


def load_ensemble(folder: Path, device: torch.device) -> SavedEnsemble:
    """The ensemble in `folder`, on `device`; a network of the user's own code is imported and so run.

    Raises InputError if `ensemble.json` is damaged or the members' images or classes differ, and what `load_model` raises.
    """
    metadata = _read_metadata(folder)
    members = tuple(load_model(folder / name, device) for name in metadata["members"])
    first = members[0]
    for name, one in zip(metadata["members"], members, strict=True):
        # Of scores, outputs depend on the loss.
        other = (one.target, one.any_size) != (first.target, first.any_size)
        other = other or (one.classes != first.classes and first.target != SCORE)
        if other or one.channels != first.channels or (one.size != first.size and not first.any_size):
            what = "classes" if other else "images of another shape"
            raise InputError(f"{folder / name}: was made for other {what} than {metadata['members'][0]}", hint="train it again")
    return SavedEnsemble(members, metadata["rule"], tuple(folder / name for name in metadata["members"]))


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / METADATA
    found = read_json_metadata(path)
    check_metadata(found, path, _NEEDED, hint="dlcli ensemble writes this file")
    (name, times), *_ = Counter(found["members"]).most_common(1)
    if times > 1:
        raise InputError(f"{path}: members: '{name}' is named {times} times", hint="dlcli ensemble writes this file")
    return found
