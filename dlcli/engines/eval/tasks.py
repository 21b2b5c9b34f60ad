"""Choose how a network is evaluated, by what it was trained for."""

import time
from dataclasses import replace
from pathlib import Path

from dlcli.core.model_io.programs import check_program_name
from dlcli.core.model_io.score_metadata import task_of
from dlcli.core.model_io.untrained import open_model
from dlcli.core.pairs.saved import is_scorer_dir
from dlcli.engines.eval.causality import prove_network
from dlcli.engines.eval.explain import FOLDER
from dlcli.engines.eval.files import FILES
from dlcli.engines.eval.images import check_columns, eval_images
from dlcli.engines.eval.masks import eval_masks, plan_masks
from dlcli.engines.eval.next_step import eval_next, plan_next
from dlcli.engines.eval.pairs import eval_pairs, plan_pairs
from dlcli.engines.eval.scores import eval_scores, plan_scores
from dlcli.engines.eval.summary import diagnose_network_input, summarize_network
from dlcli.engines.model_and_data import describe, read
from dlcli.specs.anytime import stops_early
from dlcli.specs.eval import METRICS, EvalConfig, is_metric
from dlcli.specs.image_results import ImageEvalResult
from dlcli.specs.pairs import PairsEvalResult
from dlcli.specs.predictions import is_prediction_file
from dlcli.specs.sequences import CausalityResult
from dlcli.specs.spread import refuse_spread
from dlcli.specs.table_options import set_fields
from dlcli.support.errors import UsageError
from dlcli.support.reporter import Reporter


def eval_of_task(config: EvalConfig, report: Reporter) -> ImageEvalResult | PairsEvalResult | CausalityResult:
    """Evaluate a network as its task asks for. Raises the kinds of `dlcli.support.errors`."""
    started = time.perf_counter()
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
        result = eval_images(config, report)
    return replace(result, seconds=time.perf_counter() - started)


def _of_task(config: EvalConfig, report: Reporter) -> ImageEvalResult | PairsEvalResult | None:
    """The result for a run of another task than classes; None for these, and where the network is only looked at."""
    if _of_pairs(config):
        _check_whole(config)
        refuse_spread(config, "pairs are scored")
        return eval_pairs(config, report)
    task = task_of(config.model, config.ensemble)
    if config.summary or config.prove_causal:
        return None
    if task.scores is not None or task.masks is not None or task.predicts_next:
        _check_whole(config)
    if task.predicts_next:
        refuse_spread(config, "next steps are predicted")
    if task.scores is not None:
        return eval_scores(config, task, report)
    if task.masks is not None:
        return eval_masks(config, task, report)
    return eval_next(config, task, report) if task.predicts_next else None


def _check_whole(config: EvalConfig) -> None:
    """Raise UsageError for a run that may stop early, which only one of classes does."""
    if stops_early(config):
        raise UsageError("`for` and `stop_when_sure` are of networks that predict classes", hint="omit them")


def plan_of_task(config: EvalConfig) -> list[str]:
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
            check_columns(config, read(config))
    what = "summarize the network" if config.summary else f"evaluate it on the {config.split} set"
    what = "find how it was fed in training" if config.diagnose_input else what
    what = "change inputs and see which outputs move" if config.prove_causal else what
    what += f", and its slices by {', '.join(config.slices)}" if config.slices else ""
    lines.append(what + (", and on those of every other set to diagnose it" if config.diagnose else ""))
    lines += _further(config)
    if config.explain is not None:
        lines.append(f"explain predictions by {config.explain}, with maps in {Path(str(config.output), FOLDER)}")
    if config.export is not None:
        lines.append(f"write the network to {config.export}")
    if config.output is not None:
        lines.append(f"write {'run.json' if config.summary or config.diagnose_input else ', '.join(FILES)} in {config.output}")
    return lines


def _further(config: EvalConfig) -> list[str]:
    """The steps of a calibration and a comparison, if there are any."""
    lines = []
    if config.calibrate is not None:
        lines.append(f"calibrate its probabilities on {config.calibrate} by {config.calibrator}; keep that in {config.model}")
    if config.against is not None:
        lines.append(f"compare it with {config.against} on the same {config.split} set")
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
    compared_with_table = config.against is not None and is_prediction_file(config.against)
    for name in [] if compared_with_table else (["columns"] if config.columns else []) + set_fields(config):
        raise UsageError(f"`{name}` needs a directory written by dlcli train with task=pairs, or a table of predictions")
    if config.fail_under is not None and not is_metric(config.fail_under[0]):
        raise UsageError(f"`fail_under`: '{config.fail_under[0]}' is not one of {', '.join(METRICS)}")
