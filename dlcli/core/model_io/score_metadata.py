"""What a run directory records of a network that predicts scores: how to read its outputs, and what to compare it with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import ImageData
from dlcli.core.model_io.mask_metadata import SavedMasks
from dlcli.core.model_io.sequence_metadata import SavedSequences
from dlcli.core.objectives import OBJECTIVES
from dlcli.core.objectives.base import ScoreObjective, restored
from dlcli.core.training.next_step import NextStepLoss
from dlcli.specs.sequences import SEQUENCES
from dlcli.specs.usual_data import RUN_FILES
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.schema import list_of, mapping_of, number, optional, real, text, whole

LEVEL = 0.95
"""Coverage of the interval of a single prediction."""
_NEEDED = {
    "objective": mapping_of(lambda value: ""),
    "mean": real(),
    "median": real(),
    "residual": optional(number(0)),
    "n_residual": whole(0, 10**12),
    "column": optional(text()),
    "raters": list_of(text(), most=10_000),
}


@dataclass(frozen=True)
class SavedScores:
    """How scores are read from the outputs of a network.

    Attributes:
        objective: Reads a score from the outputs.
        mean: Of the scores that it was trained on.
        median: Of the same.
        residual: Half the width of the interval of a single prediction; None where there were too few test examples for one.
        n_residual: Number of test examples that it comes from.
        column: The column of scores that `score_column` named; None for a usual name.
        raters: The columns that `raters` named.
    """

    objective: ScoreObjective
    mean: float
    median: float
    residual: float | None
    n_residual: int
    column: str | None
    raters: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {**vars(self), "objective": self.objective.to_json(), "raters": list(self.raters)}

    @staticmethod
    def from_json(found: Mapping[str, Any], path: Path) -> "SavedScores":
        """What `to_json` wrote; raises InputError, naming `path`, for anything else."""
        check_metadata(found if isinstance(found, dict) else {}, path, _NEEDED, hint="dlcli train writes this file")
        settings = found["objective"]
        try:
            kind = OBJECTIVES.module(str(settings["loss"])).OBJECTIVE
            objective = restored(kind, settings)
        except (UsageError, KeyError, TypeError):
            raise InputError(f"{path}: the loss that is recorded is none of this version", hint="update dlcli") from None
        values = {name: found[name] for name in _NEEDED if name not in ("objective", "raters")}
        return SavedScores(objective=objective, raters=tuple(found["raters"]), **values)


def saved_scores(
    data: ImageData, objective: ScoreObjective, predicted: NDArray[Any], column: str | None, raters: Sequence[str]
) -> SavedScores:
    """What to record of a network.

    The interval of a single prediction is that of split conformal prediction (Lei et al. 2018, JASA 113): the absolute errors
    on the test set, none of which took part in training, have a quantile that covers the next one with probability LEVEL.

    Args:
        data: What it was trained and tested on.
        objective: Calibrated.
        predicted: What it predicts for the test set, (n,).
        column: As `score_column` names it.
        raters: As `raters` names them.
    """
    train, truth = (y.numpy().astype(np.float64) for y in (data.y_train, data.y_test))
    errors = np.sort(np.abs(predicted - truth))
    place = ceil((len(errors) + 1) * LEVEL)
    residual = float(errors[place - 1]) if place <= len(errors) else None
    means = float(train.mean()), float(np.median(train))
    return SavedScores(objective, *means, residual, len(errors), column, tuple(raters))


@dataclass(frozen=True)
class RunTask:
    """What a run directory was trained for: the task, by its name, and what is recorded of it and of groups."""

    name: str
    scores: SavedScores | None = None
    group: str | None = None
    sequences: SavedSequences | None = None
    masks: SavedMasks | None = None

    @property
    def predicts_next(self) -> bool:
        """Whether the network predicts the next step of sequences."""
        return self.sequences is not None and self.sequences.next is not None

    @property
    def next_step(self) -> NextStepLoss:
        """What the next step is that the network predicts; raises ValueError if it predicts none."""
        if self.sequences is None or self.sequences.next is None:
            raise ValueError("the network does not predict the next step")
        return self.sequences.next


def task_of(model: str | None) -> RunTask:
    """The task of the run directory, or of the ensemble, that `model` names; `images` of everything else.

    Raises InputError if its metadata are damaged.
    """
    path = next((path for name in RUN_FILES if (path := Path(model or "", name)).is_file()), None)
    if model is None or path is None:
        return RunTask("images")
    found = read_json_metadata(path)
    name, group = found.get("task", "images"), found.get("group")
    if not isinstance(name, str) or not (group is None or isinstance(group, str)):
        raise InputError(f"{path}: task and group must be text", hint="dlcli train writes this file")
    scores = SavedScores.from_json(found.get("scores", {}), path) if name == "score" else None
    sequences = SavedSequences.from_json(found.get("sequences", {}), path) if name == SEQUENCES else None
    masks = SavedMasks.from_json(found, path) if name == "segment" else None
    return RunTask(name, scores, group, sequences, masks)


def refuse_other_tasks(model: str | None, command: str, option: str = "model") -> None:
    """Raise UsageError if a run directory holds no classifier of images, for a command that needs one.

    Args:
        model: The run directory, or anything else that the option takes.
        command: The command.
        option: Field of its configuration.

    Raises:
        UsageError: As said.
    """
    refuse_places(model, command, option)
    if task_of(model).scores is not None:
        message = f"`{option}`: {model} predicts scores, and dlcli {command} needs a classifier"
        raise UsageError(message, hint="dlcli eval and dlcli predict take networks that predict scores")


def refuse_places(model: str | None, command: str, option: str = "model") -> None:
    """Raise UsageError if a run directory holds a network of sequences or masks, for a command that needs one of images.

    Args:
        model: The run directory, or anything else that the option takes.
        command: The command.
        option: Field of its configuration.

    Raises:
        UsageError: As said.
    """
    task = task_of(model)
    if task.masks is not None:
        message = f"`{option}`: {model} predicts masks, and dlcli {command} needs a classifier"
        raise UsageError(message, hint="dlcli eval and dlcli predict take networks that predict masks")
    if task.sequences is not None:
        message = f"`{option}`: {model} takes sequences, and dlcli {command} needs a network of images"
        raise UsageError(message, hint="dlcli eval and dlcli predict take networks of sequences")
