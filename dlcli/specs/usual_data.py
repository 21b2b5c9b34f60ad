"""The data of a command that names none: those that its run directory was trained on."""

import re
from pathlib import Path
from typing import Any

from dlcli.specs.shared import DATASETS
from dlcli.support.errors import MissingInputError, UsageError
from dlcli.support.json_metadata import read_json_metadata

RUN_FILES = ("model.json", "ensemble.json")
"""One of these is in every run directory."""

DEFAULT = "digits"
_NAMED = (DEFAULT, *DATASETS)
_MOVING = re.compile(r"moving-digits(-\d+)?")
_HINT = "name them with `data`"


def set_usual_data(config: Any) -> None:
    """Set the field `data` of a configuration that is being made, if it is None: to the data of the run directory `model`.

    Without a run directory they are the bundled digits. So they are of a scorer of pairs, which `eval` refuses: the table that
    it was trained on is not one to evaluate it on.

    Raises:
        UsageError: If the run does not tell its data, or they were not files.
        MissingInputError: If they are not where they were.
        InputError: If the record of the run cannot be read.
    """
    if config.data is None:
        object.__setattr__(config, "data", usual_data(config.model))


def usual_data(model: str | None) -> str:
    """The data that a run directory was trained on, else the bundled digits; raises what `set_usual_data` does."""
    # Another folder is refused, with the reason, by what opens it; and so are digits for a scorer of pairs.
    if model is None or not any(Path(model, name).is_file() for name in RUN_FILES):
        return DEFAULT
    trained = _recorded(Path(model))
    data = DEFAULT if trained.get("task") == "pairs" else trained.get("data")
    if not isinstance(data, str):
        raise UsageError(f"`data`: {model} does not tell what it was trained on", hint=_HINT)
    if data in _NAMED or ":" in data or _MOVING.fullmatch(data) or Path(data).exists():
        return data
    raise MissingInputError(f"`data`: {model} was trained on {data}, which are not here", hint=_HINT)


def _recorded(folder: Path) -> dict[str, Any]:
    """What is recorded of the training: in the metadata of the network or of a member, else in the run record."""
    for path in (folder / RUN_FILES[0], folder / "members" / "000" / RUN_FILES[0]):
        if path.is_file() and {"data", "task"} & (found := read_json_metadata(path)).keys():
            return found
    record = folder / "run.json"
    config = read_json_metadata(record).get("config") if record.is_file() else None
    return config if isinstance(config, dict) else {}
