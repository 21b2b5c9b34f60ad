"""The engine of `dlcli eval RUN PAIRS.csv`: evaluates a trained scorer on labelled pairs."""

import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs
from dlcli.core.pairs.measures import DECISION_THRESHOLD
from dlcli.core.pairs.saved import SavedScorer, load_scorer, load_seen
from dlcli.core.tasks.pairs import TASK
from dlcli.core.text.vectors.devices import check_device
from dlcli.engines.eval.seen_pairs import find_seen, seen_note
from dlcli.specs.command_line import command_line
from dlcli.specs.eval import EvalConfig
from dlcli.specs.gate import gate
from dlcli.specs.pairs import PAIR_METRICS, PairMetric, PairsEvalResult, check_applicable
from dlcli.specs.table_options import FIELDS, table_format
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table, write_csv

MISTAKES = "mistakes.csv"
_APPLICABLE = ("model", "data", "columns", *FIELDS, "fail_under", "seed", "device", "output")


def eval_pairs(config: EvalConfig, report: Reporter) -> PairsEvalResult:
    """Evaluate the scorer in the folder `config.model` on all pairs of a table; write its mistakes to `config.output`.

    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    saved, pairs = _open(config, bad_rows=config.skip_bad)
    for remark in pairs.notes:
        report.warn(remark)
    with report.task("scoring", total=1):
        probability = saved.scorer.score(pairs.texts, pairs.first, pairs.second)
    found = TASK.measure(pairs, probability, seed=config.seed)
    if config.output is not None:
        write_text(config.output / MISTAKES, _mistakes(pairs, probability))
    seen = find_seen(load_seen(Path(config.model or "")), pairs, probability, seed=config.seed)
    result = PairsEvalResult(
        data=config.data,
        model=f"{config.model} ({saved.scorer.name})",
        model_sha256=saved.sha256,
        n_pairs=len(pairs),
        duplicates=float(pairs.duplicate.mean()),
        metrics=found.metrics,
        operating=found.operating,
        seed=config.seed,
        seconds=time.perf_counter() - started,
        seen=seen,
        notes=(seen_note(seen), *pairs.notes, *found.notes),
        failed=_failed(config, found.metrics),
    )
    if config.output is not None:
        from dlcli.engines.pairs_page import write_pairs_page  # here, since it imports matplotlib

        write_pairs_page(config.output, result)
    return result


def plan_pairs(config: EvalConfig) -> list[str]:
    """What `eval_pairs` would do, one line per step; loads the scorer and the pairs, but scores and writes nothing."""
    saved, pairs = _open(config)
    lines = [
        f"read {saved.scorer.name} from {config.model} (SHA-256 {saved.sha256})",
        f"evaluate it on {count(len(pairs), 'labelled pair')} of {config.data}",
    ]
    return [*lines, f"write {MISTAKES} and report.html in {config.output}"] if config.output is not None else lines


def _open(config: EvalConfig, bad_rows: Path | None = None) -> tuple[SavedScorer, LabelledPairs]:
    check_applicable(config, _APPLICABLE, "a scorer of pairs")
    if config.fail_under is not None and config.fail_under[0] not in PAIR_METRICS:
        raise UsageError(f"`fail_under`: '{config.fail_under[0]}' is not one of {', '.join(PAIR_METRICS)}")
    if config.data == EvalConfig().data:
        raise UsageError(
            "a scorer of pairs needs labelled pairs", hint=command_line("eval", model=config.model, data="PAIRS.csv")
        )
    saved = load_scorer(Path(config.model or ""))
    check_device(config.device, saved.scorer.uses_device, f"{saved.scorer.name} scores pairs")
    pairs = read_labelled_pairs(config.data, config.columns, table_format(config), bad_rows=bad_rows)
    return replace(saved, scorer=saved.scorer.on_device(config.device)), pairs


def _mistakes(pairs: LabelledPairs, probability: NDArray[np.float64]) -> str:
    """The misclassified pairs as CSV, the most confident first, where wrong labels show; rows of the table count from 1."""
    wrong = np.flatnonzero((probability >= DECISION_THRESHOLD) != pairs.duplicate)
    order = wrong[np.argsort(-np.abs(probability[wrong] - DECISION_THRESHOLD), kind="stable")].tolist()
    texts = [(pairs.texts[pairs.first[k]], pairs.texts[pairs.second[k]]) for k in order]
    rows = [
        [int(pairs.row[k]), f"{probability[k]:.4f}", int(pairs.duplicate[k]), *both]
        for k, both in zip(order, texts, strict=True)
    ]
    stream = io.StringIO()
    write_csv(Table(["row", "probability", "is_duplicate", "question1", "question2"], rows), stream)
    return stream.getvalue()


def _failed(config: EvalConfig, metrics: tuple[PairMetric, ...]) -> str:
    wanted = gate(config.fail_under)
    if wanted is None:
        return ""
    name = wanted.metric
    estimate = next((one.estimate for one in metrics if one.name == name), None)
    if estimate is None:
        raise InputError(f"`fail_under`: {name} has no value, because no pair is predicted to be a duplicate")
    return f"{name} on {config.data} is {wanted.below(estimate)}" if wanted.fails(estimate) else ""
