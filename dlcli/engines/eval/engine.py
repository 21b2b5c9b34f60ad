"""Evaluate a trained network, find where it fails and what to do next: the engine of `dlcli eval`."""

import time
from dataclasses import replace

from dlcli.engines.eval.files import FILES
from dlcli.engines.trusted import only_named_code
from dlcli.specs.eval import EvalConfig
from dlcli.specs.image_results import ImageEvalResult
from dlcli.specs.pairs import PairsEvalResult
from dlcli.specs.predictions import is_prediction_file
from dlcli.specs.sequences import CausalityResult
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT, Reporter

__all__ = ["FILES", "plan", "run"]


@only_named_code
def run(config: EvalConfig, *, report: Reporter = SILENT) -> ImageEvalResult | PairsEvalResult | CausalityResult:
    """Evaluate a trained network on one split, diagnose it over all splits, or only summarize it, as `config` chooses.

    A network that predicts scores is evaluated by these, a scorer of text pairs on a table of labelled pairs, and a table of
    predictions by itself. With `config.output`, writes `FILES` to that folder, or those of `eval_scores` or `eval_pairs`.
    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    if config.output is not None and config.output.exists() and not config.output.is_dir():
        raise UsageError(f"`output`: {config.output} is not a folder", hint="name a folder, new or existing")
    if config.model is not None and is_prediction_file(config.model):
        from dlcli.engines.eval.prediction_file import eval_prediction_file

        return replace(eval_prediction_file(config, report), seconds=time.perf_counter() - started)
    from dlcli.engines.eval.tasks import eval_of_task  # here, since torch is not needed for predictions in a file

    return eval_of_task(config, report)


@only_named_code
def plan(config: EvalConfig) -> list[str]:
    """What `run` would do, one line per step; opens the data and the network, but trains, evaluates and writes nothing."""
    if config.model is not None and is_prediction_file(config.model):
        from dlcli.engines.eval.prediction_file import plan_prediction_file

        return plan_prediction_file(config)
    from dlcli.engines.eval.tasks import plan_of_task

    return plan_of_task(config)
