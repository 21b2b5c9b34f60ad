"""`dlcli eval RUN PAIRS.csv`: what a learned score of pairs is worth on labelled pairs."""

import io
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.pairs.labelled import Labelled, read_labelled
from dlcli.core.pairs.measures import CALLED, judge
from dlcli.core.pairs.saved import Saved, load_scorer
from dlcli.core.text.scoring.operating_point import count_by_threshold
from dlcli.engines.train.pairs import as_metrics, as_operating
from dlcli.specs.eval import EvalConfig
from dlcli.specs.pairs import PAIR_METRICS, PairMetric, PairsEvalResult, check_means
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table, write_csv

MISTAKES = "mistakes.csv"
_MEANT = ("model", "data", "columns", "fail_under", "seed", "device", "output")


def eval_pairs(config: EvalConfig, report: Reporter) -> PairsEvalResult:
    """Judge the scorer in the folder `config.model` on all pairs of a table; with `config.output`, leave its mistakes there.

    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    saved, pairs = _open(config)
    with report.task("scoring", total=1):
        probability = saved.scorer.score(pairs.texts, pairs.first, pairs.second)
    metrics = as_metrics(judge(pairs, probability, seed=config.seed))
    if config.output is not None:
        write_text(config.output / MISTAKES, _mistakes(pairs, probability))
    seen = "The figures hold for questions that it did not learn from, if these are such: eval does not know."
    return PairsEvalResult(
        data=config.data,
        model=f"{config.model} ({saved.scorer.name})",
        model_sha256=saved.sha256,
        n_pairs=len(pairs),
        duplicates=float(pairs.duplicate.mean()),
        metrics=metrics,
        operating=as_operating(count_by_threshold(probability, pairs.duplicate)),
        seed=config.seed,
        seconds=time.perf_counter() - started,
        notes=(seen,),
        failed=_failed(config, metrics),
    )


def plan_pairs(config: EvalConfig) -> list[str]:
    """What `eval_pairs` would do, a line each; opens the scorer and the pairs, but scores and writes nothing."""
    saved, pairs = _open(config)
    lines = [
        f"read {saved.scorer.name} from {config.model} (SHA-256 {saved.sha256})",
        f"judge it on {len(pairs):,} labelled pairs of {config.data}",
    ]
    return [*lines, f"write {MISTAKES} in {config.output}"] if config.output is not None else lines


def _open(config: EvalConfig) -> tuple[Saved, Labelled]:
    check_means(config, _MEANT, "a scorer of pairs")
    if config.fail_under is not None and config.fail_under[0] not in PAIR_METRICS:
        raise UsageError(f"--fail-under: '{config.fail_under[0]}' is not one of {', '.join(PAIR_METRICS)}")
    if config.data == EvalConfig().data:
        raise UsageError("a scorer of pairs is judged on labelled pairs", hint=f"dlcli eval {config.model} PAIRS.csv")
    return load_scorer(Path(config.model or "")), read_labelled(config.data, config.columns)


def _mistakes(pairs: Labelled, probability: NDArray[np.float64]) -> str:
    """The pairs on the wrong side, the surest first: mistakes, and wrong labels. Rows of the table count from 1."""
    wrong = np.flatnonzero((probability >= CALLED) != pairs.duplicate)
    order = wrong[np.argsort(-np.abs(probability[wrong] - CALLED), kind="stable")].tolist()
    texts = [(pairs.texts[pairs.first[k]], pairs.texts[pairs.second[k]]) for k in order]
    rows = [[k + 1, f"{probability[k]:.4f}", int(pairs.duplicate[k]), *both] for k, both in zip(order, texts, strict=True)]
    stream = io.StringIO()
    write_csv(Table(["row", "probability", "is_duplicate", "question1", "question2"], rows), stream)
    return stream.getvalue()


def _failed(config: EvalConfig, metrics: tuple[PairMetric, ...]) -> str:
    if config.fail_under is None:
        return ""
    name, bound = config.fail_under
    estimate = next((one.estimate for one in metrics if one.name == name), None)
    if estimate is None:
        raise InputError(f"--fail-under: there is no {name} here: no pair is called a duplicate")
    return f"{name} on {config.data} is {estimate}, below {bound:g}" if estimate.value < bound else ""
