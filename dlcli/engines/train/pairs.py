"""`dlcli train --task pairs`: a score of pairs of texts, learned from labelled ones."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlcli.core.pairs.labelled import Labelled, by_question, read_labelled
from dlcli.core.pairs.measures import judge
from dlcli.core.pairs.saved import CARD, WEIGHTS, save_scorer
from dlcli.core.pairs.scorer import Trainable
from dlcli.core.pairs.scorers import SCORERS
from dlcli.core.text.scoring.operating_point import ThresholdCounts, count_by_threshold
from dlcli.core.text.vectors import check_vectors
from dlcli.specs.estimates import Estimate
from dlcli.specs.pairs import ESSAY, Operating, PairMetric, PairsTrainResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from dlcli.support.reporter import Reporter

_DEFAULT = "auto"


def train_pairs(config: TrainConfig, report: Reporter) -> PairsTrainResult:
    """Learn on 70% of the questions, choose and calibrate on 15%, judge on 15%; with `config.output`, leave the scorer there.

    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    settings = _settings(config)
    train, dev, test = _parts(config)
    scorer = settings.fit(train, dev, config.seed, report=report)
    probability = scorer.score(test.texts, test.first, test.second)
    measured = judge(test, probability, seed=config.seed)
    table = count_by_threshold(probability, test.duplicate)
    digest = ""
    if config.output is not None:
        digest = save_scorer(config.output, scorer, _held_out(config, test, measured, table))
    return PairsTrainResult(
        data=config.data,
        model=scorer.name,
        settings=scorer.model.card(),
        n_train=len(train),
        n_dev=len(dev),
        n_test=len(test),
        duplicates=float(test.duplicate.mean()),
        metrics=as_metrics(measured),
        operating=as_operating(table),
        folder=str(config.output or ""),
        seed=config.seed,
        seconds=time.perf_counter() - started,
        weights_sha256=digest,
        notes=("The test pairs share no question with those learned from.",),
    )


def plan_pairs(config: TrainConfig) -> list[str]:
    """What `train_pairs` would do, a line each; reads and splits the pairs, but learns and writes nothing."""
    _settings(config)
    train, dev, test = _parts(config)
    n = len(train) + len(dev) + len(test)
    lines = [
        f"read {n:,} labelled pairs from {config.data}",
        f"split them by question: {len(train):,} training, {len(dev):,} dev and {len(test):,} test pairs",
        f"learn {config.model or _DEFAULT}{f' with {config.vectors}' if config.vectors else ''}, seed {config.seed}",
    ]
    return [*lines, f"write {CARD} and {WEIGHTS} in {config.output}"] if config.output is not None else lines


def as_metrics(measured: dict[str, Estimate]) -> tuple[PairMetric, ...]:
    """The measures, and precision once more under the essay's name for it."""
    found = [PairMetric(name=name, estimate=one) for name, one in measured.items()]
    return (*found, *(PairMetric(name=ESSAY, estimate=one.estimate) for one in found if one.name == "precision"))


def as_operating(table: list[ThresholdCounts]) -> tuple[Operating, ...]:
    """The rows of `core.text.scoring.operating_point.count_by_threshold`."""
    return tuple(Operating(threshold=threshold, called=called, right=right) for threshold, called, right in table)


def _parts(config: TrainConfig) -> tuple[Labelled, ...]:
    return by_question(read_labelled(config.data, config.columns), config.seed)


def _settings(config: TrainConfig) -> Trainable:
    """The scorer that --model and --vectors name."""
    name = config.model or _DEFAULT
    scorer: Any = SCORERS.module(name).SCORER
    if config.vectors is not None:
        if not hasattr(scorer, "vectors"):
            raise UsageError(f"--vectors: {name} learns its own", hint="leave it out, or take another --model")
        check_vectors(config.vectors)
        scorer = replace(scorer, vectors=config.vectors)
    found: Trainable = scorer
    return found


def _held_out(
    config: TrainConfig, test: Labelled, measured: dict[str, Estimate], table: list[ThresholdCounts]
) -> dict[str, Any]:
    """What the card says of the test part."""
    figures = {name: [one.value, one.low, one.high] for name, one in measured.items()}
    counts = {"pairs": len(test), "duplicates": int(test.duplicate.sum())}
    return {"data": Path(config.data).name, "seed": config.seed, **counts, "metrics": figures, "operating": table}
