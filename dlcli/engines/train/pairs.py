"""The engine of `dlcli train --task pairs`: trains a scorer of text pairs on labelled ones."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlcli.core.pairs.encoders import Encoder, TextEncoder
from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs, split_by_question
from dlcli.core.pairs.saved import METADATA, SEEN, WEIGHTS, save_scorer
from dlcli.core.pairs.scorer import PairEstimator
from dlcli.core.pairs.scorers import SCORERS
from dlcli.core.pairs.seen import SeenPairs
from dlcli.core.tasks.pairs import TASK, MeasuredPairs
from dlcli.core.text.vectors import check_vectors
from dlcli.core.text.vectors.devices import check_device, device_use
from dlcli.specs.pairs import PairsTrainResult
from dlcli.specs.table_options import table_format
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

_DEFAULT = "auto"


def train_pairs(config: TrainConfig, report: Reporter) -> PairsTrainResult:
    """Train on 70% of the questions, select and calibrate on 15%, evaluate on 15%; write the scorer to `config.output`.

    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    settings = _settings(config)
    train, dev, test = _parts(config, bad_rows=config.skip_bad)
    for remark in train.notes:
        report.warn(remark)
    scorer = settings.fit(train, dev, config.seed, encoder=_encoder(config, settings), report=report)
    probability = scorer.score(test.texts, test.first, test.second)
    found = TASK.measure(test, probability, seed=config.seed)
    digest = ""
    if config.output is not None:
        digest = save_scorer(config.output, scorer, _held_out(config, test, found), SeenPairs.of((train, dev)))
    result = PairsTrainResult(
        data=config.data,
        model=scorer.name,
        settings=scorer.model.metadata(),
        n_train=len(train),
        n_dev=len(dev),
        n_test=len(test),
        duplicates=float(test.duplicate.mean()),
        metrics=found.metrics,
        operating=found.operating,
        folder=str(config.output or ""),
        seed=config.seed,
        seconds=time.perf_counter() - started,
        weights_sha256=digest,
        notes=("The test pairs share no question with the training pairs.", *train.notes, *found.notes),
    )
    if config.output is not None:
        from dlcli.engines.pairs_page import write_pairs_page  # here, since it imports matplotlib

        write_pairs_page(config.output, result)
    return result


def plan_pairs(config: TrainConfig) -> list[str]:
    """What `train_pairs` would do, one line per step; reads and splits the pairs, but trains and writes nothing."""
    _settings(config)
    train, dev, test = _parts(config)
    n = len(train) + len(dev) + len(test)
    lines = [
        f"read {count(n, 'labelled pair')} from {config.data}",
        f"split them by question: {len(train):,} training, {len(dev):,} dev and {count(len(test), 'test pair')}",
        f"train {config.model or _DEFAULT}{f' with {config.vectors}' if config.vectors else ''}, seed {config.seed}",
    ]
    return (
        [*lines, f"write {METADATA}, {SEEN}, {WEIGHTS} and report.html in {config.output}"]
        if config.output is not None
        else lines
    )


def _parts(config: TrainConfig, bad_rows: Path | None = None) -> tuple[LabelledPairs, ...]:
    pairs = read_labelled_pairs(config.data, config.columns, table_format(config), bad_rows=bad_rows)
    return split_by_question(pairs, config.seed)


def _settings(config: TrainConfig) -> PairEstimator:
    """The hyperparameters of the scorer that `model` and `vectors` name; refuses a device that it does not use."""
    name = config.model or _DEFAULT
    scorer: Any = SCORERS.module(name).SCORER
    if config.vectors is not None:
        if not hasattr(scorer, "vectors"):
            raise UsageError(f"`vectors`: {name} learns its own", hint="omit `vectors`, or choose another `model`")
        check_vectors(config.vectors)
        scorer = replace(scorer, vectors=config.vectors)
    vectors = getattr(scorer, "vectors", "")
    check_device(config.device, _on_device(vectors), f"{name} trains{f' with {vectors}' if vectors else ''}")
    found: PairEstimator = scorer
    return found


def _on_device(vectors: str) -> bool:
    return bool(vectors) and device_use(vectors) == "vectors"


def _encoder(config: TrainConfig, settings: PairEstimator) -> Encoder | None:
    """An encoder on `device`, for vectors that are computed there; None leaves the encoder to the scorer."""
    vectors = getattr(settings, "vectors", "")
    return TextEncoder(vectors, config.device) if _on_device(vectors) else None


def _held_out(config: TrainConfig, test: LabelledPairs, found: MeasuredPairs) -> dict[str, Any]:
    """The results on the test part, as stored with the scorer."""
    figures = {name: [one.value, one.low, one.high] for name, one in found.measured.items()}
    counts = {"pairs": len(test), "duplicates": int(test.duplicate.sum())}
    return {"data": Path(config.data).name, "seed": config.seed, **counts, "metrics": figures, "operating": found.counts}
