"""Predict labels for images or videos, one row per example: the engine of `dlcli predict`."""

import time

import numpy as np

from dlcli.core.compute.device import describe_device
from dlcli.core.data.base import FILE, Array, ImageData, Split
from dlcli.core.evaluation import metrics
from dlcli.engines.explanations import Explained, explain, write_maps
from dlcli.engines.model_and_data import LoadedModel, describe, open_model_and_data
from dlcli.engines.trusted import only_named_code
from dlcli.specs.predict import PredictConfig, PredictResult
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.tables import Table

_EXPLAINED = 64
"""Of how many images there are maps at most."""


@only_named_code
def run(config: PredictConfig, *, report: Reporter = SILENT) -> PredictResult:
    """The most probable classes of each example of a split, with probabilities. Raises the kinds of `dlcli.support.errors`."""
    started = time.perf_counter()
    loaded = open_model_and_data(config, report, unlabelled=True)
    split = _split(config, loaded.data)
    examples = loaded.split(split or "test")
    explained = _explained(config, loaded, examples, report)
    log_p = metrics.log_probabilities(loaded.logits(examples.x).numpy())
    names = loaded.names(log_p.shape[1])
    best = metrics.ranking(log_p, min(config.top, len(names)))
    if explained is not None and config.maps is not None:
        write_maps(config.maps, explained)
    return PredictResult(
        data=loaded.data.name,
        split=split,
        unit=loaded.data.unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        n_images=len(log_p),
        device=describe_device(loaded.device),
        seconds=time.perf_counter() - started,
        table=_table(best, np.exp(log_p), names, examples.metadata.get(FILE)),
        explanation=None if explained is None else explained.explanation,
        notes=loaded.trained.notes,
    )


@only_named_code
def plan(config: PredictConfig) -> list[str]:
    """What `run` would do, one line per step; opens the data and the network, but trains and predicts nothing."""
    which = "" if config.split is None else f"{config.split} "
    maps = [] if config.explain is None else [f"explain predictions by {config.explain}, with maps in {config.maps}"]
    return [
        *describe(config, unlabelled=True),
        *maps,
        f"write one row per {which}example to {config.output or 'standard output'}",
    ]


def _explained(config: PredictConfig, loaded: LoadedModel, examples: Split, report: Reporter) -> Explained | None:
    """Maps of the first images; None without `explain`."""
    if config.explain is None:
        return None
    n = len(examples.y)
    found = explain(config, loaded, examples, range(min(n, _EXPLAINED)), report, labelled=False)
    for note in found.notes:
        report.note(note)
    if n > _EXPLAINED:
        report.note(f"maps are of the first {_EXPLAINED} of {n:,} images")
    return found


def _split(config: PredictConfig, data: ImageData) -> str:
    """The set to predict; empty where every example was read as one set."""
    if not data.classes:
        return ""
    return config.split or ("test" if len(data.y_train) or data.extra_splits else "")


def _table(best: metrics.Labels, p: metrics.Floats, names: tuple[str, ...], files: Array | None) -> Table:
    columns = ["index", *([FILE] if files is not None else []), "label", "probability"]
    columns += [f"{word}_{k}" for k in range(2, best.shape[1] + 1) for word in ("label", "probability")]
    rows: list[list[object]] = []
    for index, (outputs, row) in enumerate(zip(best, p, strict=True)):
        pairs = ((names[k], round(float(row[k]), 6)) for k in outputs)
        known = [index] if files is None else [index, files[index]]
        rows.append([*known, *(cell for pair in pairs for cell in pair)])
    return Table(columns, rows)
