"""What a run directory records of a network that predicts scores: how to read its outputs, and what to compare it with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import ImageData
from dlcli.core.ensembles.score_rules import SCORE_RULES, CombinedScores
from dlcli.core.model_io.converted import LEARNED, is_video_network, metadata_path
from dlcli.core.model_io.dev_set import DEV, SavedDevSet
from dlcli.core.model_io.mask_metadata import SavedMasks
from dlcli.core.model_io.sequence_metadata import SavedSequences
from dlcli.core.objectives import OBJECTIVES
from dlcli.core.objectives.base import ScoreObjective, restored
from dlcli.core.training.next_step import NextStepLoss
from dlcli.specs.sequences import SEQUENCES
from dlcli.specs.usual_data import RUN_FILES
from dlcli.support.errors import InputError, UsageError
from dlcli.support.in_memory import InMemory
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.schema import list_of, mapping_of, number, optional, real, text, whole

LEVEL = 0.95
"""Coverage of the interval of a single prediction."""
BY_RULE = "scores_by_rule"
"""The entry of an ensemble with what is recorded of its scores by each rule."""
_NEEDS = {
    "ensemble": "combines members that learned the same task",
    "probe-gradients": "follows one output along lines between images of one size",
    "convert-2d-to-3d": "gives convolutions over height and width a time axis",
}
"""What commands do for which only classifiers of images will do."""
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
            objective = _objective(settings)
        except (UsageError, KeyError, TypeError):
            raise InputError(f"{path}: the loss that is recorded is none of this version", hint="update dlcli") from None
        values = {name: found[name] for name in _NEEDED if name not in ("objective", "raters")}
        return SavedScores(objective=objective, raters=tuple(found["raters"]), **values)


def _objective(settings: Mapping[str, Any]) -> ScoreObjective:
    """What `to_json` of an objective wrote; raises UsageError, KeyError or TypeError for anything else."""
    loss = str(settings["loss"])
    return (
        CombinedScores.from_json(settings)
        if loss == CombinedScores.name
        else restored(OBJECTIVES.module(loss).OBJECTIVE, settings)
    )


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
    """What a run directory was trained for: the task, by its name, and what is recorded of it, of groups and of its dev set.

    `label_column` is the column of classes that was named for the training; None for a usual name.
    """

    name: str
    scores: SavedScores | None = None
    group: str | None = None
    sequences: SavedSequences | None = None
    masks: SavedMasks | None = None
    dev: SavedDevSet | None = None
    label_column: str | None = None

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


def task_of(model: str | None, rule: str | None = None) -> RunTask:
    """The task of the run directory, ensemble or converted network that `model` names; `images` of everything else.

    Args:
        model: A run directory, or anything else that the option takes.
        rule: How the members of an ensemble of scores are combined, as the option `ensemble` names it; None for the rule that
            it was saved with.

    Raises:
        InputError: If its metadata are damaged.
        UsageError: If scores are not combined by `rule`.
    """
    recorded = _recorded(model)
    if recorded is None:
        return RunTask("images")
    path, found = recorded
    name, group, column = found.get("task", "images"), found.get("group"), found.get("label_column")
    if not isinstance(name, str) or not all(one is None or isinstance(one, str) for one in (group, column)):
        raise InputError(f"{path}: task, group and label_column must be text", hint="dlcli train writes this file")
    dev = SavedDevSet.from_json(found[DEV], path) if DEV in found else None
    if name != "score":
        sequences = SavedSequences.from_json(found.get("sequences", {}), path) if name == SEQUENCES else None
        masks = SavedMasks.from_json(found, path) if name == "segment" else None
        return RunTask(name, None, group, sequences, masks, dev, column)
    if rule is None:
        return RunTask(name, SavedScores.from_json(found.get("scores", {}), path), group, dev=dev)
    by_rule = found.get(BY_RULE)
    if not isinstance(by_rule, dict):
        raise UsageError(f"`ensemble`: {model} holds a single network", hint="omit `ensemble`")
    if rule not in SCORE_RULES:
        raise UsageError(f"`ensemble`: scores are combined by {' or '.join(SCORE_RULES)}, not by {rule}")
    return RunTask(name, SavedScores.from_json(by_rule.get(rule, {}), path), group)


def _recorded(model: str | None) -> tuple[Path, Mapping[str, Any]] | None:
    """What is recorded of the task.

    Args:
        model: See `task_of`.

    Returns:
        The file and what it holds of the task; None if it is not a run directory, an ensemble or a converted network.
    """
    if model is None or isinstance(model, InMemory):
        return None
    path = next((path for name in RUN_FILES if (path := Path(model, name)).is_file()), None)
    if path is not None:
        return path, read_json_metadata(path)
    if Path(model).suffix != ".safetensors" or not is_video_network(Path(model)):
        return None
    path = metadata_path(Path(model))
    found = read_json_metadata(path).get(LEARNED, {}) if path.is_file() else {}
    if not isinstance(found, dict):
        raise InputError(f"{path}: {LEARNED} must be an object", hint="dlcli convert-2d-to-3d writes this file")
    return path, found


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
    task, why = task_of(model), f": it {_NEEDS[command]}" if command in _NEEDS else ""
    if task.masks is not None:
        message = f"`{option}`: {model} predicts masks, and dlcli {command} needs a classifier{why}"
        raise UsageError(message, hint="dlcli eval, predict and attack take networks that predict masks")
    if task.sequences is not None:
        message = f"`{option}`: {model} takes sequences, and dlcli {command} needs a network of images{why}"
        raise UsageError(message, hint="dlcli eval, predict and attack take networks of sequences")
