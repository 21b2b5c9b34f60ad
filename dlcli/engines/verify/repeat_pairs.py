"""Scorers of pairs: all pairs of the table are scored again, and every figure is computed from that."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs, split_by_question
from dlcli.core.pairs.measures import DECISION_THRESHOLD
from dlcli.core.pairs.saved import load_scorer, load_seen
from dlcli.core.tasks.pairs import TASK
from dlcli.engines.eval.pairs import MISTAKES
from dlcli.engines.eval.seen_pairs import find_seen
from dlcli.engines.verify.claims import RunRecord, number, same
from dlcli.engines.verify.figures_again import compared
from dlcli.specs.eval import EvalConfig
from dlcli.specs.pairs import PairMetric
from dlcli.specs.table_options import table_format
from dlcli.specs.train import TrainConfig
from dlcli.specs.verify import Check, VerifyConfig


def is_of_pairs(record: RunRecord) -> bool:
    """Whether a run trained or evaluated a scorer of pairs."""
    result = record.result
    return record.command in ("train", "eval") and "operating" in result and "duplicates" in result


def repeat_pairs(record: RunRecord, config: VerifyConfig) -> Iterator[Check]:
    """Score the pairs of an evaluation, or those that a training held out, and compute every figure again."""
    trained = record.command == "train"
    given = record.config(TrainConfig if trained else EvalConfig, skip_bad=None)
    folder = record.folder if trained else Path(record.content["config"]["model"])
    pairs = read_labelled_pairs(given.data, given.columns, table_format(given))
    saved = load_scorer(folder)
    yield same("SHA-256 of the scorer", record.result["weights_sha256" if trained else "model_sha256"], saved.sha256)
    parts = split_by_question(pairs, given.seed) if trained else (pairs,)
    names = ("n_train", "n_dev", "n_test") if trained else ("n_pairs",)
    yield same("number of pairs", [record.result[name] for name in names], [len(part) for part in parts])
    scored = parts[-1]
    probability = saved.scorer.on_device(config.device).score(scored.texts, scored.first, scored.second)
    yield number("share of duplicates", record.result["duplicates"], float(scored.duplicate.mean()))
    yield from _figures(record.result, scored, probability, given.seed)
    if not trained:
        yield from _known(record.result, folder, scored, probability, given.seed)
        yield from _mistakes(record.folder, scored, probability)


def _figures(result: Mapping[str, Any], pairs: LabelledPairs, probability: NDArray[np.float64], seed: int) -> Iterator[Check]:
    found = TASK.measure(pairs, probability, seed=seed)
    yield from _metrics("", result["metrics"], found.metrics)
    counts = [(row["threshold"], row["predicted_positive"], row["true_positive"]) for row in result["operating"]]
    yield same("counts by threshold", counts, [one[:3] for one in found.counts])
    effective = {f"{row['threshold']}": row["effective"] for row in result["operating"]}
    away = max(abs(effective[f"{one.threshold}"] - one.effective) for one in found.counts)
    yield number("independent pairs by threshold, differ by", 0.0, away)


def _metrics(of: str, claimed: list[dict[str, Any]], found: tuple[PairMetric, ...]) -> Iterator[Check]:
    yield same(f"names of metrics{of}", [one["name"] for one in claimed], [one.name for one in found])
    before, after = {one["name"]: one["estimate"] for one in claimed}, {one.name: vars(one.estimate) for one in found}
    yield compared(f"figures{of}", before, after)


def _known(
    result: Mapping[str, Any], folder: Path, pairs: LabelledPairs, probability: NDArray[np.float64], seed: int
) -> Iterator[Check]:
    """How many pairs the scorer knew, the figures on the others, and what it adds that it knew some."""
    found, claimed = find_seen(load_seen(folder), pairs, probability, seed=seed), result.get("seen")
    if found is None or claimed is None:
        yield same("pairs known from the training", claimed, found)
        return
    names = ("n", "sharing", "same")
    yield same("pairs known from the training", [claimed[k] for k in names], [getattr(found, k) for k in names])
    yield from _metrics(" on new texts", claimed["others"], found.others)
    if claimed["gain"] is None or found.gain is None:
        yield same("what they add", claimed["gain"], found.gain)
    else:
        yield compared("what they add", {"accuracy": claimed["gain"]}, {"accuracy": vars(found.gain)})


def _mistakes(folder: Path, pairs: LabelledPairs, probability: NDArray[np.float64]) -> Iterator[Check]:
    """The rows of the table of mistakes, if the evaluation left one."""
    path = folder / MISTAKES
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as stream:
        claimed = sorted(int(row["row"]) for row in csv.DictReader(stream))
    wrong = (probability >= DECISION_THRESHOLD) != pairs.duplicate
    yield same("rows of the mistakes", claimed, pairs.row[wrong].tolist())
