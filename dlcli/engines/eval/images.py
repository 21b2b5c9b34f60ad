"""Evaluate a network that predicts classes of images, videos or sequences."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from dlcli.core.compute.device import describe_device
from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import FILE, Array, ImageData, Split
from dlcli.core.data.frame_names import dependence_notes
from dlcli.core.data.groups import group_numbers
from dlcli.core.evaluation import slices
from dlcli.core.evaluation.diagnosis import CommandContext, diagnose
from dlcli.core.evaluation.metrics import Labels
from dlcli.core.evaluation.predictions import Predictions, of_logits
from dlcli.core.evaluation.sequence_pictures import drawn
from dlcli.core.grouped import share_of
from dlcli.core.html_report.parts import Part
from dlcli.core.model_io.ensemble_dir import is_ensemble
from dlcli.core.model_io.programs import write_program
from dlcli.core.model_io.score_metadata import task_of
from dlcli.core.model_io.untrained import find_model
from dlcli.core.model_io.weights_file import is_weights
from dlcli.core.models.base import GENERAL_RECIPE
from dlcli.engines.anytime import describe_stop, failed_when_sure, settled, whole_set_shares
from dlcli.engines.calibrate import calibrated, calibration_notes, keep_calibration
from dlcli.engines.eval.against import compare_with, failed_margin, write_flips
from dlcli.engines.eval.explain import explained_images, write_explained
from dlcli.engines.eval.measured import ClassifierFigures, failed_gate, figure_notes, measure, slice_notes
from dlcli.engines.eval.random_order import eval_until_sure
from dlcli.engines.eval.sample_size import needed_images, needed_note
from dlcli.engines.eval.side import Side
from dlcli.engines.eval.written_predictions import write_predictions
from dlcli.engines.leaks import SHOWN_PAIRS, find_leaks, leaks_notes, leaks_part, may_leak, why_not
from dlcli.engines.model_and_data import LoadedModel
from dlcli.engines.predict_elsewhere import open_to_predict
from dlcli.engines.suspects import SHOWN, find_suspects, suspects_note, suspects_parts, write_suspects
from dlcli.specs.anytime import Stopped, stops_early
from dlcli.specs.calibration import CALIBRATORS
from dlcli.specs.comparison import ClassifierComparison
from dlcli.specs.diagnosis import SPLITS, Diagnosis
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.leaks import Leaks
from dlcli.specs.predictions import PREDICTIONS
from dlcli.specs.suspects import Suspects
from dlcli.support.atomic import check_kept
from dlcli.support.errors import InputError, UsageError, error_context
from dlcli.support.reporter import Reporter

_EXPORTED = 256
"""The number of examples on which an exported network is compared."""


def eval_images(config: EvalConfig, report: Reporter) -> EvalResult:
    """Evaluate a network on one split, and write its files to `config.output`. Raises the kinds of `dlcli.support.errors`."""
    if config.output is not None:
        check_kept(config.output / PREDICTIONS)  # which the network may be compared with
    loaded, logits, stopped = calibrated(config, open_to_predict(config, report), report), None, None
    config = replace(config, group=config.group or _group_of_run(config, loaded.data))
    check_columns(config, loaded.data)  # before the network runs, so that a wrong name fails at once
    if stops_early(config):
        loaded, logits, stopped = eval_until_sure(config, loaded)
    columns = _columns(config, loaded.data)
    group = _group(config, loaded.data, config.split)
    explained = explained_images(config, loaded, group, report)  # before the whole set, for it may refuse the network
    raw = None if config.calibrate is None else loaded.split_logits(config.split)
    logits = logits if raw is None else loaded.calibrated(raw)
    predictions = _predict(config, loaded, config.split, logits)
    outputs, output_of = predictions.outputs, loaded.output_of.numpy()
    columns.setdefault(slices.CLASS, np.array(outputs, dtype=object)[predictions.y])
    parts = [slices.cut(name, columns[name][: loaded.limit]) for name in config.slices]
    unit, split = loaded.data.unit, loaded.split(config.split)
    files = list(map(str, split.metadata[FILE])) if FILE in split.metadata else None
    cuts = [one for column in parts for one in column]
    measured = measure(predictions, cuts, output_of=output_of, seed=config.seed, files=files, risk=config.abstain)
    if stopped is not None:
        measured = replace(measured, metrics=whole_set_shares(measured.metrics, stopped.seen, stopped.total))
    suspects = _suspects(config, predictions, files)
    leaks = None if stopped and not config.leaks else _leaks(config, loaded, predictions, report)
    shown = partial(_pictures_of, loaded, split.x)
    mine = Side(config.model or loaded.trained.name, loaded.trained.sha256, predictions, files, shown, _numbers(predictions))
    compared = compare_with(config, mine, cuts, report)
    found = None if compared is None else compared.comparison
    needed = needed_images(config, predictions, compared)
    failed = _failed(config, measured, found, stopped)
    stopped = None if stopped is None else settled(stopped, fails=bool(failed))
    before = None if raw is None else _predict(config, loaded, config.split, raw)
    calibration = None if before is None else keep_calibration(config, loaded, before, predictions)
    notes = (
        *calibration_notes(calibration, unit),
        *needed_note(needed, unit),
        *(compared.notes if compared else ()),
        *([describe_stop(stopped, unit, "all figures but top-1 and top-5")] if stopped else []),
        *loaded.trained.notes,
        *leaks_notes(leaks, unit, config.split),
        *(() if suspects is None else (suspects_note(suspects, unit),)),
        *figure_notes(predictions, measured, output_of=output_of, unit=unit),
        *dependence_notes(split, predictions.group, config.group, unit),
        *slice_notes(measured, unit=unit, group=config.group),
    )
    result = EvalResult(
        data=loaded.data.name,
        split=config.split,
        unit=unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        n_images=len(predictions.y),
        metrics=measured.metrics,
        per_class=measured.per_class,
        confusion=measured.confusion,
        bins=measured.bins,
        mistakes=measured.mistakes,
        diagnosis=_diagnosis(config, loaded, predictions) if config.diagnose else None,
        summary=None,
        slices=measured.slices,
        worst_slice=measured.worst_slice,
        n_groups=None if predictions.group is None else int(predictions.group.max()) + 1,
        suspects=suspects,
        leaks=leaks,
        seed=config.seed,
        device=describe_device(loaded.device),
        seconds=0.0,
        stopped=stopped,
        explanation=None if explained is None else explained.explanation,
        notes=(*(explained.notes if explained else ()), *notes, *_exported(config, loaded, outputs)),
        comparison=found,
        needed=needed,
        abstention=measured.abstention,
        calibration=calibration,
        failed=failed,
    )
    if config.output is not None:
        from dlcli.engines.eval.report import EvalFigures, write  # here, since it imports matplotlib

        wrong = _pictures(loaded, split.x[[one.index for one in result.mistakes]])
        pictures = EvalFigures(
            wrong, measured.reliability, measured.matrix[output_of], predictions, output_of, explained, compared
        )
        pictures = replace(pictures, checks=_checks(config.output, loaded, split, suspects, leaks))
        if compared is not None:
            write_flips(config.output, compared.flips)
        write_predictions(config.output, predictions, loaded, split)
        write(config.output, result, pictures)
        if explained is not None:
            write_explained(config.output, explained)
    return result


def _suspects(config: EvalConfig, predictions: Predictions, files: list[str] | None) -> Suspects | None:
    if not config.suspects or predictions.log_p is None:
        return None
    return find_suspects(predictions.log_p, predictions.y, predictions.outputs, files, split=config.split)


def _leaks(config: EvalConfig, loaded: LoadedModel, predictions: Predictions, report: Reporter) -> Leaks | None:
    data = loaded.data
    if not may_leak(data, config.split):
        if config.leaks:
            raise InputError(f"`leaks`: {why_not(data, config.split)}", hint="omit `leaks`")
        return None
    return find_leaks(
        loaded.split(config.split),
        data.splits["train"],
        predictions.correct,
        predictions.group,
        report,
        whatever_their_number=config.leaks,
    )


def _checks(folder: Path, loaded: LoadedModel, split: Split, suspects: Suspects | None, leaks: Leaks | None) -> list[Part]:
    """The parts of the page about labels and duplicates; also writes the table of suspected labels."""
    parts, unit = [], loaded.data.unit
    if suspects is not None:
        shown = _pictures(loaded, split.x[[one.index for one in suspects.suspects[:SHOWN]]])
        parts += suspects_parts(suspects, shown, unit)
        write_suspects(folder, suspects)
    if leaks is not None and leaks.count:
        pairs = leaks.pairs[:SHOWN_PAIRS]
        mine = _pictures(loaded, split.x[[one.index for one in pairs]])
        others = _pictures(loaded, loaded.data.x_train[[one.training_index for one in pairs]])
        parts.append(leaks_part(leaks, mine, others, unit))
    return parts


def _failed(
    config: EvalConfig, measured: ClassifierFigures, found: ClassifierComparison | None, stopped: Stopped | None
) -> str:
    """Which gates are not passed: a run that stopped early has decided that of top-1, or tells it by the point."""
    if stopped is not None and stopped.decided is not None and stopped.early:
        return failed_when_sure(config, stopped)
    difference = None if found is None else found.difference
    return "; ".join(filter(None, (failed_gate(config, measured, config.split, difference), failed_margin(config, found))))


def side_of_network(config: EvalConfig, spec: str, report: Reporter) -> Side:
    """The predictions of another network for the examples of `config.split`.

    Args:
        config: The options of the network that it is compared with, of which those of the data hold for both.
        spec: The other network.
        report: Receives progress.

    Raises:
        UsageError: If it does not predict classes.
    """
    task = task_of(spec)
    if task.scores is not None or task.masks is not None or task.predicts_next:
        raise UsageError(f"`against`: {spec} does not predict classes", hint="compare networks of the same task")
    weights = is_weights(Path(spec))
    other = replace(
        config,
        model=spec,
        against=None,
        calibrate=None,
        calibrator=CALIBRATORS[0],
        no_worse=None,
        fail_under=None,
        group=None,
        slices=(),
        columns=(),
        arch=config.arch if weights else None,
        weights_key=config.weights_key if weights else None,
        ensemble=config.ensemble if is_ensemble(Path(spec)) else None,
    )
    loaded = calibrated(other, open_to_predict(other, report), report)
    split = loaded.split(other.split)
    files = list(map(str, split.metadata[FILE])) if FILE in split.metadata else None
    with error_context(spec):
        predictions = _predict(other, loaded, other.split)
    pictures = partial(_pictures_of, loaded, split.x)
    return Side(spec, loaded.trained.sha256, predictions, files, pictures, _numbers(predictions))


def _numbers(predictions: Predictions) -> list[str]:
    """What the table of these predictions calls each example."""
    return [str(k) for k in range(len(predictions.y))]


def check_columns(config: EvalConfig, data: ImageData) -> None:
    """Raise InputError if `data` have no column that `slices` or `group` names."""
    _columns(config, data)
    _group(config, data, config.split)


def _predict(config: EvalConfig, loaded: LoadedModel, split: str, known: Tensor | None = None) -> Predictions:
    """The predictions for a split, from its logits if they are known."""
    found = loaded.split(split)
    logits = (loaded.calibrated(loaded.split_logits(split)) if known is None else known).numpy()
    group = _group(config, loaded.data, split)
    group = None if group is None else np.unique(group[: loaded.limit], return_inverse=True)[1]
    return of_logits(logits, found.y.numpy(), loaded.names(logits.shape[1]), group)


def _group(config: EvalConfig, data: ImageData, split: str) -> Labels | None:
    """The group of each example of a split; None without `group`."""
    if config.group is None or split not in data.splits:
        return None
    column = slices.find_column(config.group, data.splits[split].metadata, data=data.name, option="group")
    return group_numbers(column)


def _group_of_run(config: EvalConfig, data: ImageData) -> str | None:
    """The column that the run was split by, if the data have it."""
    group = task_of(config.model).group
    return group if config.split in data.splits and group in data.splits[config.split].metadata else None


def _pictures_of(loaded: LoadedModel, x: Tensor, rows: list[int]) -> np.ndarray:
    return _pictures(loaded, x[rows])


def _pictures(loaded: LoadedModel, x: Tensor) -> np.ndarray:
    """Examples `x` (m, ...) as pictures (m, c, h, w) in [0, 1]."""
    if loaded.data.is_sequences:
        return drawn(x)
    return to_float(x if loaded.data.frames is None else x[:, :, x.shape[2] // 2]).numpy()  # there is room for one frame


def _exported(config: EvalConfig, loaded: LoadedModel, outputs: tuple[str, ...]) -> tuple[str, ...]:
    if config.export is None:
        return ()
    x = loaded.split(config.split).x[:_EXPORTED]
    written = write_program(config.export, loaded.trained.model, to_float(x), outputs, loaded.device)
    alone = "The file holds the network alone: its probabilities are not calibrated."
    return (written,) if loaded.calibration is None else (written, alone)


def _columns(config: EvalConfig, data: ImageData) -> dict[str, Array]:
    """The metadata columns to slice by, without the class: its names are known once the outputs are."""
    if config.split not in data.splits:
        return {}
    metadata = data.splits[config.split].metadata
    wanted = [name for name in config.slices if name in metadata or name != slices.CLASS]
    return {name: slices.find_column(name, metadata, data=data.name) for name in wanted}


def _diagnosis(config: EvalConfig, loaded: LoadedModel, predictions: Predictions) -> Diagnosis:
    there = loaded.data.splits
    asked = {
        split: _predict(config, loaded, split)
        for split in SPLITS
        if split in there and len(there[split].y) and split != config.split
    }
    asked[config.split] = predictions
    errors = {split: share_of(~one.correct, one.group) for split, one in asked.items()}
    found = diagnose(config.human_error or 0.0, errors, _setting(config, loaded))
    return replace(found, human_given=config.human_error is not None)


def _setting(config: EvalConfig, loaded: LoadedModel) -> CommandContext:
    name = loaded.trained.name
    # A network from the user's own code has no recipe; do not import it a second time to find that out.
    recipe = GENERAL_RECIPE if ":" in name else find_model(name, loaded.data).recipe
    return CommandContext(
        data=config.data,
        model=name,
        run=config.model or "RUN",
        epochs=recipe.epochs,
        optimizer=recipe.optimizer,
        channels=loaded.data.channels,
        clips=loaded.data.frames is not None,
        sequences=loaded.data.is_sequences,
    )
