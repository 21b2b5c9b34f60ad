"""The engine of `dlcli eval RUN DATA` for a network that predicts scores."""

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.compute.device import describe_device
from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import FILE, Split
from dlcli.core.data.frame_names import dependence_notes
from dlcli.core.model_io.score_metadata import RunTask, SavedScores
from dlcli.core.tasks.score import baseline_of, rater_ceiling, score_metrics, score_thirds, scores_of
from dlcli.engines.eval.explain import explained_images, write_explained
from dlcli.engines.eval.task_steps import ONLY_OF_CLASSES, check_metric, failed_gate, group_column, groups_by
from dlcli.engines.model_and_data import LoadedModel, describe
from dlcli.engines.predict_elsewhere import open_to_predict
from dlcli.specs.eval import EvalConfig
from dlcli.specs.scores import SCORE_METRICS, ScoreEvalResult, ScoreMetric, ScoreMistake
from dlcli.support.errors import UsageError
from dlcli.support.reporter import Reporter

Floats = NDArray[np.float64]

_MOST_MISTAKES = 12
_NOT_OF_SCORES = (*ONLY_OF_CLASSES, "diagnose_input", "export")


def eval_scores(config: EvalConfig, task: RunTask, report: Reporter) -> ScoreEvalResult:
    """Evaluate the network in the run directory `config.model` on one split; write plots and a page to `config.output`.

    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    scores = _check(config, task)
    loaded = open_to_predict(config, report)
    split = loaded.split(config.split)
    group = groups_by(group_column(config, task, split), split, loaded.data.name)
    explained = explained_images(config, loaded, group, report)  # before the whole set, for it may refuse the network
    predicted = scores.objective.value(loaded.calibrated(loaded.split_logits(config.split)).double()).numpy()
    truth = scores_of(split)
    metrics = score_metrics(predicted, truth, group)
    result = ScoreEvalResult(
        data=loaded.data.name,
        split=config.split,
        unit=loaded.data.unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        loss=scores.objective.name,
        n_images=len(truth),
        metrics=metrics,
        thirds=score_thirds(predicted, truth, group),
        baseline=baseline_of(scores.median, scores.mean, predicted, truth, group),
        ceiling=rater_ceiling(split, config.raters or _there(scores.raters, split), group, loaded.data.name),
        mistakes=_mistakes(predicted, truth, split),
        n_groups=None if group is None else int(group.max()) + 1,
        explanation=None if explained is None else explained.explanation,
        seed=config.seed,
        device=describe_device(loaded.device),
        seconds=0.0,
        notes=(*(explained.notes if explained else ()), *_notes(config, task, loaded, metrics, group)),
        failed=failed_gate(config, metrics, "all predictions, or all scores, are equal"),
    )
    if config.output is not None:
        from dlcli.engines.eval.score_page import ScorePictures, write_scores  # here, since it imports matplotlib

        worst = to_float(split.x[[one.index for one in result.mistakes]])
        worst = worst if loaded.data.frames is None else worst[:, :, worst.shape[2] // 2]
        write_scores(config.output, result, ScorePictures(predicted, truth, worst.numpy(), explained))
        if explained is not None:
            write_explained(config.output, explained)
    return replace(result, seconds=time.perf_counter() - started)


def plan_scores(config: EvalConfig, task: RunTask) -> list[str]:
    """What `eval_scores` would do, one line per step; opens data and network, but evaluates and writes nothing."""
    _check(config, task)
    lines = [*describe(config), f"evaluate the scores that it predicts for the {config.split} set"]
    return [*lines, f"write scatter.png, residuals.png and report.html in {config.output}"] if config.output else lines


def _check(config: EvalConfig, task: RunTask) -> SavedScores:
    for name in _NOT_OF_SCORES:
        if getattr(config, name):
            raise UsageError(f"`{name}` does not apply to a network that predicts scores", hint=f"omit `{name}`")
    check_metric(config, SCORE_METRICS)
    if task.scores is None:
        raise ValueError("no scores are recorded")
    return task.scores


def _there(raters: tuple[str, ...], split: Split) -> tuple[str, ...]:
    """Those of the columns of raters that the run was trained with that these data have, too."""
    return tuple(name for name in raters if name in split.metadata)


def _mistakes(predicted: Floats, truth: Floats, split: Split) -> tuple[ScoreMistake, ...]:
    """The largest errors, in descending order."""
    order = np.argsort(-np.abs(predicted - truth), kind="stable")[:_MOST_MISTAKES]
    files = split.metadata.get(FILE)
    return tuple(
        ScoreMistake(
            index=int(k),
            file="" if files is None else str(files[k]),
            true=float(f"{truth[k]:.7g}"),
            predicted=float(predicted[k]),
        )
        for k in order
    )


def _notes(
    config: EvalConfig, task: RunTask, loaded: LoadedModel, metrics: tuple[ScoreMetric, ...], group: NDArray[np.int64] | None
) -> tuple[str, ...]:
    notes = list(loaded.trained.notes)
    if not any(one.name == "spearman" for one in metrics):
        notes.append(f"All predictions, or all scores, of the {config.split} set are equal, so there is no correlation.")
    notes += dependence_notes(loaded.split(config.split), group, config.group or task.group, loaded.data.unit)
    return tuple(notes)
