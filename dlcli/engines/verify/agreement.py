"""Whether the parts of a record agree with each other, and list what such a run reads and leaves."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from dlcli.core.model_io import ensemble_dir
from dlcli.core.model_io.run_dir import METADATA, WEIGHTS
from dlcli.engines.eval.against import FLIPS
from dlcli.engines.train.report import PAGE, RUNS
from dlcli.engines.verify.claims import RunRecord, same
from dlcli.engines.verify.repeat_attack import ADVERSARIAL, CORRUPTED
from dlcli.specs.attack import AttackConfig, AttackResult
from dlcli.specs.command_line import normal_form
from dlcli.specs.corruption_attack import CorruptionResult
from dlcli.specs.ensemble import EnsembleConfig, EnsembleResult
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.mask_ensemble import MaskEnsembleResult
from dlcli.specs.masks import MaskEvalResult, MaskTrainResult
from dlcli.specs.next_step import NextEvalResult, NextTrainResult
from dlcli.specs.option import declared
from dlcli.specs.pairs import PairsEvalResult, PairsTrainResult
from dlcli.specs.predictions import PREDICTIONS, is_prediction_file
from dlcli.specs.probe_gradients import ProbeGradientsConfig, ProbeGradientsResult
from dlcli.specs.score_attack import ScoreAttackResult
from dlcli.specs.score_ensemble import ScoreEnsembleResult
from dlcli.specs.scores import ScoreEvalResult, ScoreTrainResult
from dlcli.specs.sequences import CausalityResult
from dlcli.specs.task_attack import TaskAttackResult
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult
from dlcli.specs.verify import Check
from dlcli.support.fingerprints import SEAL

CONFIGS = {
    "eval": EvalConfig,
    "attack": AttackConfig,
    "train": TrainConfig,
    "ensemble": EnsembleConfig,
    "probe-gradients": ProbeGradientsConfig,
}
"""Whose options the record of a command has."""

RESULTS = {
    "eval": (EvalResult, CausalityResult, MaskEvalResult, NextEvalResult, PairsEvalResult, ScoreEvalResult),
    "attack": (AttackResult, CorruptionResult, ScoreAttackResult, TaskAttackResult),
    "train": (TrainResult, MaskTrainResult, NextTrainResult, PairsTrainResult, ScoreTrainResult),
    "ensemble": (EnsembleResult, MaskEnsembleResult, ScoreEnsembleResult),
    "probe-gradients": (ProbeGradientsResult,),
}
"""What the record of a command has as result."""

_LEFT = {
    **dict.fromkeys((AttackResult, ScoreAttackResult, TaskAttackResult), (ADVERSARIAL,)),
    **dict.fromkeys((EnsembleResult, MaskEnsembleResult, ScoreEnsembleResult), (ensemble_dir.METADATA,)),
    CorruptionResult: (CORRUPTED,),
}
"""The files beside the page that a run with such a result leaves whatever its options."""

_WITHOUT_FILES = ("summary", "diagnose_input", "prove_causal")
"""The options of evaluations that leave the record alone."""

_ENTRIES = {
    *("command", "arguments", "config", "directory", "inputs", "files", "code", "started", "seconds", "environment", "status"),
    *("result", SEAL),
}


def agreement(record: RunRecord) -> Iterator[Check]:
    """All checks of a record against itself and the names of files.

    Args:
        record: A record, whose relative paths begin in the present folder.

    Yields:
        The checks.
    """
    content, command = record.content, record.command
    yield same("entries that a record does not have", "none", ", ".join(sorted(content.keys() - _ENTRIES)) or "none")
    yield same("exit status", content["status"], int(bool(record.result["failed"])))
    if command not in CONFIGS:
        return
    options = sorted(one.name for one in fields(CONFIGS[command]))
    yield same("options are those of the command", sorted(content["config"]) == options, True)
    shapes = [kind for kind in RESULTS[command] if _has_shape(record.result, kind)]
    yield same("entries of the result are those of the command", bool(shapes), True)
    unlisted = sorted(name for name in _left(record, shapes) if name not in content["files"])
    yield same("files of such a run that are not listed", "none", ", ".join(unlisted) or "none")
    unread = sorted(_unread(record))
    yield same("inputs that are not listed", "none", ", ".join(unread) or "none")
    yield same("arguments", shlex.join(content["arguments"]), shlex.join(normal_form(command, content["config"])))


def _left(record: RunRecord, shapes: Sequence[type[Any]]) -> Iterator[str]:
    """The files that a run with such a result leaves: the page, and those from which figures are computed again."""
    config, result = record.content["config"], record.result
    yield from (name for shape in shapes for name in _LEFT.get(shape, ()))
    if record.command == "train":
        several = bool(result.get("comparisons"))
        yield from (WEIGHTS,) if config["pretrain_only"] else (PAGE, RUNS) if several else (PAGE, METADATA, WEIGHTS)
        return
    if any(config.get(name) for name in _WITHOUT_FILES):
        return
    yield PAGE
    if EvalResult in shapes and not is_prediction_file(str(config["model"])):
        yield PREDICTIONS
        if result["comparison"] and not is_prediction_file(config["against"]):
            yield FLIPS


def _has_shape(value: Any, kind: Any) -> bool:
    """Whether the entries of all parts of a value are those that its dataclass has."""
    if get_origin(kind) is UnionType:
        return any(_has_shape(value, one) for one in get_args(kind))
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        own = {one.name for one in fields(kind)}
        return isinstance(value, Mapping) and own == value.keys() and all(_has_shape(value[name], hints[name]) for name in own)
    if get_origin(kind) is tuple and isinstance(value, list):
        kinds = get_args(kind)
        return len(kinds) != 2 or kinds[1] is not Ellipsis or all(_has_shape(one, kinds[0]) for one in value)
    if isinstance(value, Mapping):
        return kind is Any or get_origin(kind) is not None
    return True


def _unread(record: RunRecord) -> Iterator[str]:
    """What the options name as read and is there, and has no hash."""
    for item, details in declared(CONFIGS[record.command]):
        name = record.content["config"].get(item.name) if details.reads else None
        if name and Path(name).exists() and str(Path(name)) not in record.content["inputs"]:
            yield name
