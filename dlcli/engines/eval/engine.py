"""How good a trained network is, where it fails, and what to do next: the engine of `dlcli eval`."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dlcli.core.compute import rng
from dlcli.core.compute.device import describe_device
from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import Array, ImageData
from dlcli.core.evaluation import calibration, metrics, slices
from dlcli.core.evaluation.calibration import Reliability
from dlcli.core.evaluation.diagnosis import CommandContext, diagnose
from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.model_io.untrained import find_model, open_model
from dlcli.core.models.base import GENERAL_RECIPE
from dlcli.core.pairs.saved import is_scorer_dir
from dlcli.core.stats import wilson
from dlcli.engines.eval.pairs import eval_pairs, plan_pairs
from dlcli.engines.eval.summary import summed_up
from dlcli.engines.model_and_data import LoadedModel, describe, open_model_and_data, read
from dlcli.specs.diagnosis import SPLITS, Diagnosis
from dlcli.specs.estimates import Estimate
from dlcli.specs.eval import METRICS, Bin, ClassRow, Confusion, EvalConfig, EvalResult, Metric, Mistake, SliceRow
from dlcli.specs.pairs import PairsEvalResult
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

FILES = ("confusion.png", "reliability.png", "mistakes.png", "report.html")
"""What is left in the output folder, mistakes.png only if there are any; the command line adds run.json."""

_MOST_MISTAKES = 24


def run(config: EvalConfig, *, report: Reporter = SILENT) -> EvalResult | PairsEvalResult:
    """Judge a trained network on one set of the data; diagnose it over all sets, or only sum it up, if that is asked for.

    A scorer of pairs of texts is judged on a table of labelled pairs. Raises the kinds of `dlcli.support.errors`; with
    `config.output`, leaves the files of `FILES` in that folder, or of pairs what `eval_pairs` says.
    """
    started = time.perf_counter()
    if config.output is not None and config.output.exists() and not config.output.is_dir():
        raise UsageError(f"--output: {config.output} is not a folder", hint="name a folder, new or old")
    if _of_pairs(config):
        return eval_pairs(config, report)
    _check_images(config)
    if config.summary:
        result = summed_up(config, report)
    else:
        result = _judged(config, report)
    return replace(result, seconds=time.perf_counter() - started)


def plan(config: EvalConfig) -> list[str]:
    """What `run` would do, a line each; opens the data and the network, but trains, judges and writes nothing."""
    if _of_pairs(config):
        return plan_pairs(config)
    _check_images(config)
    if config.summary and config.model is None:
        data = read(config)
        shape = "x".join(map(str, data.sample(1).shape[1:]))
        lines = [f"build {open_model(config.arch, data).name} for {data.unit}s of {shape}"]
    else:
        lines = describe(config)
        if config.slices:
            _columns(config, read(config))
    what = "sum up the network" if config.summary else f"judge it on the {config.split} set"
    what += f", and its slices by {', '.join(config.slices)}" if config.slices else ""
    lines.append(what + (", and on those of every other set to diagnose it" if config.diagnose else ""))
    if config.output is not None:
        lines.append(f"write {'run.json' if config.summary else ', '.join(FILES)} in {config.output}")
    return lines


def _of_pairs(config: EvalConfig) -> bool:
    return config.model is not None and is_scorer_dir(Path(config.model))


def _check_images(config: EvalConfig) -> None:
    if config.columns:
        raise UsageError("--columns: goes with a folder that dlcli train --task pairs wrote")
    if config.fail_under is not None and config.fail_under[0] not in METRICS:
        raise UsageError(f"--fail-under: '{config.fail_under[0]}' is not one of {', '.join(METRICS)}")


@dataclass(frozen=True)
class _Answers:
    """What the network says of one set: log-probabilities (n, outputs), the outputs that are right (n,) and the best (n,)."""

    log_p: Floats
    y: Labels
    predicted: Labels

    @property
    def correct(self) -> np.ndarray:
        """Which are right, (n,) bool."""
        found: np.ndarray = self.predicted == self.y
        return found

    @property
    def confidence(self) -> Floats:
        """The probability of the predicted output, (n,) in [0, 1]."""
        return np.exp(self.log_p.max(1))


def _ask(loaded: LoadedModel, split: str) -> _Answers:
    found = loaded.split(split)
    logits = loaded.logits(found.x).numpy()
    return _Answers(metrics.log_probabilities(logits), found.y.numpy(), metrics.ranking(logits, 1)[:, 0])


def _judged(config: EvalConfig, report: Reporter) -> EvalResult:
    loaded = open_model_and_data(config, report)
    columns = _columns(config, loaded.data)  # before the network runs, which may take long
    answers = _ask(loaded, config.split)
    outputs = loaded.names(answers.log_p.shape[1])
    columns.setdefault(slices.CLASS, np.array(outputs, dtype=object)[answers.y])
    parts = [slices.cut(name, columns[name][: loaded.limit]) for name in config.slices]
    sliced = slices.judge([one for column in parts for one in column], answers.correct)
    matrix = metrics.confusion(answers.predicted, answers.y, len(outputs), len(outputs))
    rows = _class_rows(matrix, outputs, loaded.output_of.numpy())
    bins = calibration.reliability(answers.confidence, answers.correct)
    found = _metrics(config, loaded, answers, rows, sliced)
    result = EvalResult(
        data=loaded.data.name,
        split=config.split,
        unit=loaded.data.unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        n_images=len(answers.y),
        metrics=found,
        per_class=rows,
        confusion=_cells(matrix, outputs),
        bins=_bins(bins),
        mistakes=_mistakes(answers, outputs),
        diagnosis=_diagnosis(config, loaded, answers) if config.diagnose else None,
        summary=None,
        slices=sliced,
        worst_slice=_named(slices.worst(sliced)) if sliced else "",
        seed=config.seed,
        device=describe_device(loaded.device),
        seconds=0.0,
        notes=_notes(loaded, found, sliced),
        failed=_failed(config, found),
    )
    if config.output is not None:
        from dlcli.engines.eval.report import Shown, write  # here, since it brings matplotlib

        wrong = loaded.split(config.split).x[[one.index for one in result.mistakes]]
        if loaded.data.frames is not None:
            wrong = wrong[:, :, wrong.shape[2] // 2]  # a picture has room for one frame
        write(config.output, result, Shown(to_float(wrong).numpy(), bins, matrix[loaded.output_of.numpy()], outputs))
    return result


def _columns(config: EvalConfig, data: ImageData) -> dict[str, Array]:
    """The facts by which to slice, without the class, which is known once the network's outputs are."""
    if config.split not in data.splits:
        return {}
    metadata = data.splits[config.split].metadata
    wanted = [name for name in config.slices if name in metadata or name != slices.CLASS]
    return {name: slices.find_column(name, metadata, data=data.name) for name in wanted}


def _named(row: SliceRow) -> str:
    return f"{row.column}={row.name}"


def _metrics(
    config: EvalConfig, loaded: LoadedModel, answers: _Answers, rows: tuple[ClassRow, ...], sliced: tuple[SliceRow, ...]
) -> tuple[Metric, ...]:
    log_p, y = answers.log_p, answers.y
    found: dict[str, Estimate | None] = {"top-1": wilson(int(answers.correct.sum()), len(y))}
    if log_p.shape[1] > 5:
        found["top-5"] = metrics.top_k(log_p, y, 5)
    found["worst-class"] = min((row.accuracy for row in rows if row.accuracy is not None), key=lambda one: one.value)
    found["worst-slice"] = slices.worst(sliced).accuracy if sliced else None
    if len(loaded.output_of) == 2:
        negative, positive = loaded.output_of.tolist()
        found["auc"] = metrics.auc(log_p[:, positive] - log_p[:, negative], y == positive)
    found["nll"] = metrics.negative_log_likelihood(log_p, y)
    found["brier"] = metrics.brier(log_p, y)
    seed = rng.derive(config.seed, "bootstrap")
    found["ece"] = calibration.expected_error(answers.confidence, answers.correct, seed=seed)
    return tuple(Metric(name=name, estimate=one) for name, one in found.items() if one is not None)


def _class_rows(matrix: Labels, outputs: tuple[str, ...], output_of: Labels) -> tuple[ClassRow, ...]:
    accuracies = metrics.class_accuracies(matrix)
    wrong = matrix - np.diag(np.diag(matrix))
    return tuple(
        ClassRow(
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


def _mistakes(answers: _Answers, outputs: tuple[str, ...]) -> tuple[Mistake, ...]:
    """Those of which the network was surest, the surest first."""
    order = np.argsort(-answers.confidence, kind="stable")
    wrong = order[~answers.correct[order]][:_MOST_MISTAKES]
    return tuple(
        Mistake(
            index=int(k),
            true=outputs[answers.y[k]],
            predicted=outputs[answers.predicted[k]],
            probability=float(answers.confidence[k]),
        )
        for k in wrong
    )


def _diagnosis(config: EvalConfig, loaded: LoadedModel, answers: _Answers) -> Diagnosis:
    there = loaded.data.splits
    asked = {split: _ask(loaded, split) for split in SPLITS if split in there and len(there[split].y) and split != config.split}
    asked[config.split] = answers
    errors = {split: wilson(int((~one.correct).sum()), len(one.y)) for split, one in asked.items()}
    return diagnose(config.human_error or 0.0, errors, _setting(config, loaded))


def _setting(config: EvalConfig, loaded: LoadedModel) -> CommandContext:
    name = loaded.trained.name
    # A network of the user's own code brings no recipe, and is not imported a second time to hear so.
    recipe = GENERAL_RECIPE if ":" in name else find_model(name, loaded.data).recipe
    return CommandContext(
        data=config.data,
        model=name,
        run=config.model or "RUN",
        epochs=recipe.epochs,
        optimizer=recipe.optimizer,
        channels=loaded.data.channels,
        clips=loaded.data.frames is not None,
    )


def _notes(loaded: LoadedModel, found: tuple[Metric, ...], sliced: tuple[SliceRow, ...]) -> tuple[str, ...]:
    unit = loaded.data.unit
    notes = [f"The worst class is chosen by its accuracy on these very {unit}s, which makes it look worse than it is."]
    if len(loaded.output_of) == 2 and not any(one.name == "auc" for one in found):
        notes.append(f"There is no AUC: all {unit}s are of one class.")
    if sliced:
        notes.append(
            f"A slice is worse or better if Fisher's exact test against all other {unit}s says so at 5% after Holm's "
            f"correction for {count(len(sliced), 'slice')}; the intervals are 95% each. The worst is the one whose interval "
            "ends lowest."
        )
    return (*loaded.trained.notes, *notes)


def _failed(config: EvalConfig, found: tuple[Metric, ...]) -> str:
    if config.fail_under is None:
        return ""
    name, bound = config.fail_under
    estimate = next((one.estimate for one in found if one.name == name), None)
    if estimate is None:
        reason = "it needs more than 5 classes" if name == "top-5" else "it needs two classes, and examples of both"
        raise InputError(f"--fail-under: there is no {name} here: {reason}")
    return f"{name} on {config.split} is {estimate}, below {bound:g}" if estimate.value < bound else ""
