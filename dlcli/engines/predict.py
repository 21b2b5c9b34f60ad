"""Predict labels for images or videos, one row per example: the engine of `dlcli predict`."""

import time
from itertools import islice
from math import floor, log10

import numpy as np
import torch
from torch import Tensor

from dlcli.core.compute.device import describe_device
from dlcli.core.data.base import FILE, Array, ImageData, Split
from dlcli.core.ensembles.score_rules import CombinedScores
from dlcli.core.evaluation import metrics
from dlcli.core.model_io.score_metadata import LEVEL, RunTask, SavedScores, task_of
from dlcli.engines.explanations import Explained, explain, write_maps
from dlcli.engines.model_and_data import LoadedModel, describe
from dlcli.engines.predict_elsewhere import open_to_predict
from dlcli.engines.predict_next import predict_next
from dlcli.engines.predicted_masks import check_mask_options, predicted_masks
from dlcli.engines.predicted_sets import with_sets
from dlcli.engines.sound_stream import stream_answers, streamed_sound
from dlcli.engines.trusted import only_named_code
from dlcli.engines.video_windows import predict_windows, takes_windows
from dlcli.specs.command_line import command_line
from dlcli.specs.predict import PredictConfig, PredictResult
from dlcli.specs.spread import refuse_spread
from dlcli.specs.train import PAIRS
from dlcli.specs.usual_data import DEFAULT
from dlcli.specs.video_windows import is_duration
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.tables import Table

_EXPLAINED = 64
"""Of how many images there are maps at most."""


@only_named_code
def run(config: PredictConfig, *, report: Reporter = SILENT) -> PredictResult:
    """The most probable classes of each example of a split, with probabilities. Raises the kinds of `dlcli.support.errors`."""
    started, task = time.perf_counter(), task_of(config.model, config.ensemble)
    _check(config, task)
    if task.predicts_next:
        return predict_next(config, task, report)
    if takes_windows(config, task):
        return _of_windows(config, report)
    loaded = open_to_predict(config, report, unlabelled=True)
    split = _split(config, loaded.data)
    examples = loaded.split(split or "test")
    explained = _explained(config, loaded, examples, report)
    table, notes = _predicted(config, task, loaded, examples, report)
    if explained is not None and config.maps is not None:
        write_maps(config.maps, explained)
    return PredictResult(
        data=loaded.data.name,
        split=split,
        unit=loaded.data.unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        n_images=len(table.rows),
        device=describe_device(loaded.device),
        seconds=time.perf_counter() - started,
        table=table,
        explanation=None if explained is None else explained.explanation,
        notes=(*loaded.trained.notes, *notes),
    )


def _of_windows(config: PredictConfig, report: Reporter) -> PredictResult:
    """A row for each window of a video."""
    started = time.perf_counter()
    loaded, table, notes = predict_windows(config, report)
    return PredictResult(
        data=loaded.data.name,
        split="",
        unit="window",
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        n_images=len(table.rows),
        device=describe_device(loaded.device),
        seconds=time.perf_counter() - started,
        table=table,
        notes=(*loaded.trained.notes, *notes),
    )


@only_named_code
def plan(config: PredictConfig) -> list[str]:
    """What `run` would do, one line per step; opens the data and the network, but trains and predicts nothing."""
    _check(config, task_of(config.model, config.ensemble))
    which = "" if config.split is None else f"{config.split} "
    maps = [] if config.explain is None else [f"explain predictions by {config.explain}, with maps in {config.maps}"]
    where = config.calibration or "the data of the run"
    sets = [] if config.coverage is None else [f"calibrate sets of classes on {where}"]
    sets += [] if config.abstain is None else [f"find the probability from which on to answer on {where}"]
    return [
        *describe(config, unlabelled=True),
        *sets,
        *maps,
        f"write one row per {which}example to {config.output or 'standard output'}",
    ]


def _answers(config: PredictConfig, loaded: LoadedModel, examples: Split, report: Reporter) -> tuple[Tensor, list[int]]:
    """Raw logits of the examples or, of one long sound that is streamed, of its beginnings, and how long these are."""
    sound = None if config.rate is not None else streamed_sound(config.model, config.data)
    if sound is None:
        if config.every is not None:
            message = "`every` needs one PCM .wav at the rate of the training, and a run directory of a built-in network"
            raise UsageError(message, hint="omit `every`")
        return loaded.split_logits(_split(config, loaded.data) or "test"), []
    every = None if config.every is None else int(config.every)
    answers = stream_answers(loaded.trained.model, sound, every, device=loaded.device, report=report)
    found = list(answers if every is None else islice(answers, config.limit))
    return torch.stack([one.logits for one in found]), [one.steps for one in found]


def _check(config: PredictConfig, task: RunTask) -> None:
    if task.name == PAIRS:
        table = "PAIRS.csv" if config.data == DEFAULT else config.data
        message = f"{config.model}: holds a scorer of pairs of texts, which dlcli dedupe asks about each row of a table"
        raise InputError(message, hint=command_line("dedupe", table=table, model=config.model, pair_columns="A,B"))
    if task.masks is not None or task.predicts_next:
        refuse_spread(config, "masks are written, and next steps predicted,")
    if task.masks is not None:
        check_mask_options(config)
    elif config.masks is not None:
        raise UsageError("`masks` needs a directory written by dlcli train with task=segment")
    if config.every is not None and not is_duration(config.every) and (task.sequences is None or task.predicts_next):
        raise UsageError("`every` needs a network that classifies sequences", hint="omit `every`")
    other = task.masks is not None or task.scores is not None or task.predicts_next
    for name in ("coverage", "abstain"):
        if getattr(config, name) is not None and other:
            raise UsageError(f"`{name}` needs a network that predicts one class for each example", hint=f"omit `{name}`")


def _predicted(
    config: PredictConfig, task: RunTask, loaded: LoadedModel, examples: Split, report: Reporter
) -> tuple[Table, tuple[str, ...]]:
    """A row per example, and what there is to note."""
    if task.masks is not None:
        return predicted_masks(config, loaded, examples, task.masks), ()
    outputs, steps = _answers(config, loaded, examples, report)
    files = examples.metadata.get(FILE)
    if config.every is not None:
        return _by_steps(
            _classes(config, loaded, loaded.calibrated(outputs), None),
            steps,
            "" if files is None else str(files[0]),
            loaded.data,
        ), ()
    if task.scores is not None:
        return _scores(task.scores, outputs, files)
    p = np.exp(metrics.log_probabilities(outputs.numpy()))
    if config.abstain is not None and loaded.calibration is not None and not loaded.calibration.calibrator.keeps_labels:
        message = "`abstain`: the calibration that is kept with the network changes labels, of which the bound would not hold"
        raise InputError(message, hint="give `uncalibrated`, or calibrate by temperature")
    names = loaded.names(p.shape[1])
    table = _classes(config, loaded, loaded.calibrated(outputs), files)
    return with_sets(config, table, p, names, examples.x, report, calibrated=loaded.calibration is not None)


def _explained(config: PredictConfig, loaded: LoadedModel, examples: Split, report: Reporter) -> Explained | None:
    """Maps of the first images; None without `explain`."""
    if config.explain is None:
        return None
    n = len(examples.y)
    found = explain(config, loaded, examples, range(min(n, _EXPLAINED)), report, labelled=False)
    for note in found.notes:
        report.note(note)
    if n > _EXPLAINED:
        report.note(f"maps are of the first {_EXPLAINED} of {count(n, 'image')}")
    return found


def _split(config: PredictConfig, data: ImageData) -> str:
    """The set to predict; empty where every example was read as one set."""
    if not data.classes:
        return ""
    return config.split or ("test" if len(data.y_train) or data.extra_splits else "")


def _classes(config: PredictConfig, loaded: LoadedModel, outputs: Tensor, files: Array | None) -> Table:
    log_p = metrics.log_probabilities(outputs.numpy())
    names = loaded.names(log_p.shape[1])
    return _table(metrics.ranking(log_p, min(config.top, len(names))), np.exp(log_p), names, files)


def _by_steps(table: Table, steps: list[int], file: str, data: ImageData) -> Table:
    """The rows of the beginnings of a sound, with how long each is."""
    rate = data.steps.rate or 1.0
    rows = [[0, file, n, round(n / rate, 6), *row[1:]] for n, row in zip(steps, table.rows, strict=True)]
    return Table(["index", FILE, "steps", "seconds", *table.columns[1:]], rows)


def _scores(scores: SavedScores, outputs: Tensor, files: Array | None) -> tuple[Table, tuple[str, ...]]:
    """A row per example with its score, the interval of it and what that is, and of an ensemble how far members are apart."""
    columns = ["index", *([FILE] if files is not None else []), "score", "low", "high"]
    half = scores.residual
    rows: list[list[object]] = []
    values = scores.objective.value(outputs.double()).tolist()
    digits = _decimals(values)
    for index, value in enumerate(values):
        ends = [None, None] if half is None else [round(value - half, digits), round(value + half, digits)]
        rows.append([index, *([files[index]] if files is not None else []), round(value, digits), *ends])
    if isinstance(scores.objective, CombinedScores):
        columns.append("spread")
        spreads = outputs.double().std(1).tolist()
        rows = [[*row, round(spread, digits)] for row, spread in zip(rows, spreads, strict=True)]
    if half is None:
        return Table(columns, rows), (f"There is no interval: {scores.n_residual} test examples are too few for one.",)
    note = (
        f"low and high hold the score of {LEVEL:.0%} of such examples, by the errors on "
        f"{count(scores.n_residual, 'test example')}"
    )
    return Table(columns, rows), (f"{note} (split conformal prediction); for other examples they may hold fewer.",)


def _decimals(values: list[float]) -> int:
    """Decimals of scores: 6, or more where all are so small that the largest would lose its six significant digits."""
    largest = max(map(abs, values), default=0.0)
    return 6 if largest == 0 else max(6, 5 - floor(log10(largest)))


def _table(best: metrics.Labels, p: metrics.Floats, names: tuple[str, ...], files: Array | None) -> Table:
    columns = ["index", *([FILE] if files is not None else []), "label", "probability"]
    columns += [f"{word}_{k}" for k in range(2, best.shape[1] + 1) for word in ("label", "probability")]
    rows: list[list[object]] = []
    for index, (outputs, row) in enumerate(zip(best, p, strict=True)):
        pairs = ((names[k], round(float(row[k]), 6)) for k in outputs)
        known = [index] if files is None else [index, files[index]]
        rows.append([*known, *(cell for pair in pairs for cell in pair)])
    return Table(columns, rows)
