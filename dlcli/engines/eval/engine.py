"""Evaluate a trained network, find where it fails and what to do next: the engine of `dlcli eval`."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from dlcli.core.compute.device import describe_device
from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import Array, ImageData
from dlcli.core.data.frame_names import dependence_notes
from dlcli.core.data.groups import group_numbers
from dlcli.core.evaluation import calibration, metrics, slices
from dlcli.core.evaluation.areas import grouped_areas
from dlcli.core.evaluation.calibration import Reliability
from dlcli.core.evaluation.diagnosis import CommandContext, diagnose
from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.evaluation.sequence_pictures import drawn
from dlcli.core.grouped import exact_share_of, share_of
from dlcli.core.model_io.programs import check_program_name, write_program
from dlcli.core.model_io.score_metadata import task_of
from dlcli.core.model_io.untrained import find_model, open_model
from dlcli.core.models.base import GENERAL_RECIPE
from dlcli.core.pairs.saved import is_scorer_dir
from dlcli.engines.eval.causality import prove_network
from dlcli.engines.eval.explain import FOLDER, explained_images, write_explained
from dlcli.engines.eval.masks import eval_masks, plan_masks
from dlcli.engines.eval.next_step import eval_next, plan_next
from dlcli.engines.eval.pairs import eval_pairs, plan_pairs
from dlcli.engines.eval.scores import eval_scores, plan_scores
from dlcli.engines.eval.summary import diagnose_network_input, summarize_network
from dlcli.engines.model_and_data import LoadedModel, describe, open_model_and_data, read
from dlcli.engines.trusted import only_named_code
from dlcli.specs.diagnosis import SPLITS, Diagnosis
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.eval import (
    METRICS,
    Bin,
    ClassAccuracy,
    Confusion,
    EvalConfig,
    EvalResult,
    Metric,
    Mistake,
    SliceRow,
    is_accuracy,
)
from dlcli.specs.gate import gate
from dlcli.specs.image_results import ImageEvalResult
from dlcli.specs.pairs import PairsEvalResult
from dlcli.specs.sequences import CausalityResult
from dlcli.specs.table_options import set_fields
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive

FILES = ("confusion.png", "reliability.png", "mistakes.png", "report.html")
"""Files in the output folder, mistakes.png only if there are mistakes; the command line adds run.json."""

_MOST_MISTAKES = 24
_EXPORTED = 256
"""The number of examples on which an exported network is compared."""


@only_named_code
def run(config: EvalConfig, *, report: Reporter = SILENT) -> ImageEvalResult | PairsEvalResult | CausalityResult:
    """Evaluate a trained network on one split, diagnose it over all splits, or only summarize it, as `config` chooses.

    A network that predicts scores is evaluated by these, and a scorer of text pairs on a table of labelled pairs. With
    `config.output`, writes `FILES` to that folder, or those of `eval_scores` or `eval_pairs`. Raises the kinds of
    `dlcli.support.errors`.
    """
    started = time.perf_counter()
    if config.output is not None and config.output.exists() and not config.output.is_dir():
        raise UsageError(f"`output`: {config.output} is not a folder", hint="name a folder, new or existing")
    if (other := _of_task(config, report)) is not None:
        return other
    _check_images(config)
    if config.prove_causal:
        return prove_network(config, report)
    if config.summary:
        result = summarize_network(config, report)
    elif config.diagnose_input:
        result = diagnose_network_input(config, report)
    else:
        result = _evaluate(config, report)
    return replace(result, seconds=time.perf_counter() - started)


def _of_task(config: EvalConfig, report: Reporter) -> ImageEvalResult | PairsEvalResult | None:
    """The result for a run of another task than classes; None for these, and where the network is only looked at."""
    if _of_pairs(config):
        return eval_pairs(config, report)
    task = task_of(config.model, config.ensemble)
    if config.summary or config.prove_causal:
        return None
    if task.scores is not None:
        return eval_scores(config, task, report)
    if task.masks is not None:
        return eval_masks(config, task, report)
    return eval_next(config, task, report) if task.predicts_next else None


@only_named_code
def plan(config: EvalConfig) -> list[str]:
    """What `run` would do, one line per step; opens the data and the network, but trains, evaluates and writes nothing."""
    if (other := _plan_of_task(config)) is not None:
        return other
    _check_images(config)
    if config.model is None and config.arch is not None:
        data = read(config)
        shape = "x".join(map(str, data.sample(1).shape[1:]))
        lines = [f"build {open_model(config.arch, data).name} for {data.unit}s of {shape}"]
    else:
        lines = describe(config)
        if config.slices or config.group is not None:
            data = read(config)
            _columns(config, data)
            _group(config, data, config.split)
    what = "summarize the network" if config.summary else f"evaluate it on the {config.split} set"
    what = "find how it was fed in training" if config.diagnose_input else what
    what = "change inputs and see which outputs move" if config.prove_causal else what
    what += f", and its slices by {', '.join(config.slices)}" if config.slices else ""
    lines.append(what + (", and on those of every other set to diagnose it" if config.diagnose else ""))
    if config.explain is not None:
        lines.append(f"explain predictions by {config.explain}, with maps in {Path(str(config.output), FOLDER)}")
    if config.export is not None:
        lines.append(f"write the network to {config.export}")
    if config.output is not None:
        lines.append(f"write {'run.json' if config.summary or config.diagnose_input else ', '.join(FILES)} in {config.output}")
    return lines


def _plan_of_task(config: EvalConfig) -> list[str] | None:
    """The steps for a run of another task than the classes of images; None for these."""
    if _of_pairs(config):
        return plan_pairs(config)
    task = task_of(config.model, config.ensemble)
    if config.summary or config.prove_causal:
        return None
    if task.predicts_next:
        return plan_next(config, task)
    if task.scores is None and task.masks is None:
        return None
    return plan_scores(config, task) if task.scores is not None else plan_masks(config, task)


def _of_pairs(config: EvalConfig) -> bool:
    return config.model is not None and is_scorer_dir(Path(config.model))


def _check_images(config: EvalConfig) -> None:
    if config.export is not None:
        check_program_name(config.export)
    for name in ("score_column", "raters"):
        if getattr(config, name):
            raise UsageError(f"`{name}` needs a directory written by dlcli train with task=score")
    for name in (["columns"] if config.columns else []) + set_fields(config):
        raise UsageError(f"`{name}` needs a directory written by dlcli train with task=pairs")
    if config.fail_under is not None and config.fail_under[0] not in METRICS:
        hint = "of images use top-1" if is_accuracy(config.fail_under[0]) else ""
        raise UsageError(f"`fail_under`: '{config.fail_under[0]}' is not one of {', '.join(METRICS)}", hint=hint)


@dataclass(frozen=True)
class _Predictions:
    """Predictions for one split.

    Attributes:
        log_p: Log-probabilities, (n, outputs).
        y: The correct outputs, (n,).
        predicted: The predicted ones, (n,).
        group: The group of each example, (n,) from 0 on, None without `group`.
    """

    log_p: Floats
    y: Labels
    predicted: Labels
    group: Labels | None

    def accuracy(self, inside: np.ndarray) -> Estimate:
        """The accuracy on the examples `inside` (n,)."""
        return share_of(self.correct[inside], None if self.group is None else self.group[inside])

    def worst(self, inside: np.ndarray, among: int) -> Estimate:
        """The accuracy on the examples `inside`, which were selected among several sets for it."""
        return exact_share_of(self.correct[inside], None if self.group is None else self.group[inside], among=among)

    @property
    def correct(self) -> np.ndarray:
        """Which predictions are correct, (n,) bool."""
        found: np.ndarray = self.predicted == self.y
        return found

    @property
    def confidence(self) -> Floats:
        """The probability of the predicted output, (n,) in [0, 1]."""
        found: Floats = np.exp(self.log_p.max(1))
        return found


def _predict(config: EvalConfig, loaded: LoadedModel, split: str) -> _Predictions:
    found = loaded.split(split)
    logits = loaded.logits(found.x).numpy()
    group = _group(config, loaded.data, split)
    group = None if group is None else np.unique(group[: loaded.limit], return_inverse=True)[1]
    return _Predictions(metrics.log_probabilities(logits), found.y.numpy(), metrics.ranking(logits, 1)[:, 0], group)


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


def _evaluate(config: EvalConfig, report: Reporter) -> EvalResult:
    loaded = open_model_and_data(config, report)
    config = replace(config, group=config.group or _group_of_run(config, loaded.data))
    columns = _columns(config, loaded.data)  # before the network runs, so that a wrong name fails at once
    group = _group(config, loaded.data, config.split)
    explained = explained_images(config, loaded, group, report)  # before the whole set, for it may refuse the network
    predictions = _predict(config, loaded, config.split)
    outputs = loaded.names(predictions.log_p.shape[1])
    columns.setdefault(slices.CLASS, np.array(outputs, dtype=object)[predictions.y])
    parts = [slices.cut(name, columns[name][: loaded.limit]) for name in config.slices]
    cuts = [one for column in parts for one in column]
    seed = derive(config.seed, "slices")
    sliced = slices.compare_slices(cuts, predictions.correct, predictions.group, seed=seed)
    matrix = metrics.confusion(predictions.predicted, predictions.y, len(outputs), len(outputs))
    rows = _class_rows(predictions, matrix, outputs, loaded.output_of.numpy())
    bins = calibration.reliability(predictions.confidence, predictions.correct)
    found = _metrics(config, loaded, predictions)
    ranks = sum(one.name.startswith("top-") for one in found)
    found = (*found[:ranks], *_worst(predictions, cuts, sliced), *found[ranks:])
    result = EvalResult(
        data=loaded.data.name,
        split=config.split,
        unit=loaded.data.unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        n_images=len(predictions.y),
        metrics=found,
        per_class=rows,
        confusion=_cells(matrix, outputs),
        bins=_bins(bins),
        mistakes=_mistakes(predictions, outputs),
        diagnosis=_diagnosis(config, loaded, predictions) if config.diagnose else None,
        summary=None,
        slices=sliced,
        worst_slice=_named(slices.worst(sliced)) if sliced else "",
        n_groups=None if predictions.group is None else int(predictions.group.max()) + 1,
        seed=config.seed,
        device=describe_device(loaded.device),
        seconds=0.0,
        explanation=None if explained is None else explained.explanation,
        notes=(
            *(explained.notes if explained else ()),
            *_notes(config, loaded, found, predictions, sliced),
            *_exported(config, loaded, outputs),
        ),
        failed=_failed(config, found),
    )
    if config.output is not None:
        from dlcli.engines.eval.report import EvalFigures, write  # here, since it imports matplotlib

        wrong = _pictures(loaded, loaded.split(config.split).x[[one.index for one in result.mistakes]])
        pictures = EvalFigures(wrong, bins, matrix[loaded.output_of.numpy()], outputs, explained)
        write(config.output, result, pictures)
        if explained is not None:
            write_explained(config.output, explained)
    return result


def _pictures(loaded: LoadedModel, x: Tensor) -> np.ndarray:
    """Examples `x` (m, ...) as pictures (m, c, h, w) in [0, 1]."""
    if loaded.data.is_sequences:
        return drawn(x)
    return to_float(x if loaded.data.frames is None else x[:, :, x.shape[2] // 2]).numpy()  # there is room for one frame


def _exported(config: EvalConfig, loaded: LoadedModel, outputs: tuple[str, ...]) -> tuple[str, ...]:
    if config.export is None:
        return ()
    x = loaded.split(config.split).x[:_EXPORTED]
    return (write_program(config.export, loaded.trained.model, to_float(x), outputs, loaded.device),)


def _columns(config: EvalConfig, data: ImageData) -> dict[str, Array]:
    """The metadata columns to slice by, without the class: its names are known once the outputs are."""
    if config.split not in data.splits:
        return {}
    metadata = data.splits[config.split].metadata
    wanted = [name for name in config.slices if name in metadata or name != slices.CLASS]
    return {name: slices.find_column(name, metadata, data=data.name) for name in wanted}


def _named(row: SliceRow) -> str:
    return f"{row.column}={row.name}"


def _metrics(config: EvalConfig, loaded: LoadedModel, predictions: _Predictions) -> tuple[Metric, ...]:
    """The metrics, but for those of the worst class and slice."""
    log_p, y, group = predictions.log_p, predictions.y, predictions.group
    found: dict[str, Estimate | PointEstimate | None] = {"top-1": share_of(predictions.correct, group)}
    if log_p.shape[1] > 5:
        found["top-5"] = metrics.top_k(log_p, y, 5, group)
    if len(loaded.output_of) == 2:
        negative, positive = loaded.output_of.tolist()
        seed = derive(config.seed, "areas")
        found["auc"] = _area(log_p[:, positive] - log_p[:, negative], y == positive, group, seed)
    found["nll"] = metrics.negative_log_likelihood(log_p, y, group, seed=derive(config.seed, "likelihood"))
    found["brier"] = metrics.brier(log_p, y, group)
    seed = derive(config.seed, "bootstrap")
    found["ece"] = calibration.expected_error(predictions.confidence, predictions.correct, group=group, seed=seed)
    return tuple(Metric(name=name, estimate=one) for name, one in found.items() if one is not None)


def _area(scores: Floats, positive: np.ndarray, group: Labels | None, seed: int) -> Estimate | None:
    if group is None or positive.all() or not positive.any():
        return metrics.auc(scores, positive)
    return grouped_areas(scores, positive, group, seed=seed).auc


def _worst(predictions: _Predictions, cuts: Sequence[slices.ExampleSlice], sliced: tuple[SliceRow, ...]) -> Iterator[Metric]:
    """The accuracies of the worst class and the worst slice."""
    classes = [predictions.y == k for k in np.unique(predictions.y)]
    lowest = min(classes, key=lambda inside: predictions.accuracy(inside).value)
    yield Metric(name="worst-class", estimate=predictions.worst(lowest, len(classes)))
    if sliced:
        row = slices.worst(sliced)
        inside = next(one.inside for one in cuts if (one.column, one.name) == (row.column, row.name))
        yield Metric(name="worst-slice", estimate=predictions.worst(inside, len(sliced)))


def _class_rows(
    predictions: _Predictions, matrix: Labels, outputs: tuple[str, ...], output_of: Labels
) -> tuple[ClassAccuracy, ...]:
    accuracies = metrics.class_accuracies(predictions.predicted, predictions.y, len(outputs), predictions.group)
    wrong = matrix - np.diag(np.diag(matrix))
    return tuple(
        ClassAccuracy(
            name=outputs[k],
            accuracy=accuracies[k],
            most_confused_with=outputs[int(wrong[k].argmax())] if wrong[k].any() else "",
        )
        for k in output_of
    )


def _cells(matrix: Labels, outputs: tuple[str, ...]) -> tuple[Confusion, ...]:
    pairs = np.argwhere(matrix).tolist()
    return tuple(Confusion(true=outputs[a], predicted=outputs[b], count=int(matrix[a, b])) for a, b in pairs)


def _bins(found: Reliability) -> tuple[Bin, ...]:
    count = len(found.n)
    return tuple(
        Bin(
            low=k / count,
            high=(k + 1) / count,
            n=int(found.n[k]),
            confidence=float(found.confidence[k]) if found.n[k] else None,
            accuracy=float(found.accuracy[k]) if found.n[k] else None,
        )
        for k in range(count)
    )


def _mistakes(predictions: _Predictions, outputs: tuple[str, ...]) -> tuple[Mistake, ...]:
    """The mistakes with the highest confidence, in descending order."""
    order = np.argsort(-predictions.confidence, kind="stable")
    wrong = order[~predictions.correct[order]][:_MOST_MISTAKES]
    return tuple(
        Mistake(
            index=int(k),
            true=outputs[predictions.y[k]],
            predicted=outputs[predictions.predicted[k]],
            probability=float(predictions.confidence[k]),
        )
        for k in wrong
    )


def _diagnosis(config: EvalConfig, loaded: LoadedModel, predictions: _Predictions) -> Diagnosis:
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


def _notes(
    config: EvalConfig, loaded: LoadedModel, found: tuple[Metric, ...], predictions: _Predictions, sliced: tuple[SliceRow, ...]
) -> tuple[str, ...]:
    unit = loaded.data.unit
    classes = count(len(np.unique(predictions.y)), "class", "classes")
    notes = [
        f"The worst class is selected on the same {unit}s, so its accuracy is biased low; its interval holds for all {classes} "
        "at once.",
        "ece is corrected for what chance adds to it.",
    ]
    if len(loaded.output_of) == 2 and not any(one.name == "auc" for one in found):
        notes.append(f"There is no AUC: all {unit}s are of one class.")
    notes += dependence_notes(loaded.split(config.split), predictions.group, config.group, unit)
    if sliced:
        test = "Fisher's exact test" if predictions.group is None else f"a permutation of '{config.group}'"
        notes.append(
            f"A slice is worse or better if {test} against all other {unit}s is significant at 5% after "
            f"Holm's correction for {count(len(sliced), 'slice')}; each interval is 95%. The worst slice is the one whose "
            "interval has the lowest upper end; the interval of worst-slice holds for all slices at once."
        )
    return (*loaded.trained.notes, *notes)


def _failed(config: EvalConfig, found: tuple[Metric, ...]) -> str:
    wanted = gate(config.fail_under)
    if wanted is None:
        return ""
    name = wanted.metric
    estimate = next((one.estimate for one in found if one.name == name), None)
    if estimate is None:
        reason = "it needs more than 5 classes" if name == "top-5" else "it needs two classes, and examples of both"
        raise InputError(f"`fail_under`: there is no {name} here: {reason}")
    return f"{name} on {config.split} is {estimate}, {wanted.below()}" if wanted.fails(estimate) else ""
