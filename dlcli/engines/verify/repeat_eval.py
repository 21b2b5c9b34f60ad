"""Evaluations: the figures follow from predictions.csv, and a tenth of its rows are predicted again."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.core.data.base import Split
from dlcli.core.evaluation.metrics import log_probabilities
from dlcli.engines.anytime import random_order
from dlcli.engines.model_and_data import open_model_and_data
from dlcli.engines.verify.claims import RunRecord, a_tenth, number, repeated_labels, same, skipped
from dlcli.engines.verify.figures_again import figures_again
from dlcli.specs.calibration import CALIBRATORS
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predictions import PREDICTIONS, is_prediction_file
from dlcli.specs.verify import Check, Verdict, VerifyConfig
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT

_CLOSE = 1e-3
"""Probabilities that were computed with other threads or libraries differ by less."""

_OF_CLASS = "p_"
_OF_DIGITS = 1e-6
"""Probabilities that are written with nine digits differ by less."""
_TRUE_OR_NOT = ("false", "true")


def repeat_eval(record: RunRecord, config: VerifyConfig) -> Iterator[Check]:
    """Count the accuracy again, and predict a tenth of the examples."""
    path = record.folder / PREDICTIONS
    claimed = {one["name"]: one["estimate"] for one in record.result.get("metrics", ())}
    if "top-1" not in claimed and not path.is_file():
        yield skipped("figures", "only evaluations of classes leave predictions to check")
        return
    if is_prediction_file(str(record.content["config"].get("model"))):
        yield from figures_again(record, Path(record.content["config"]["model"]))
        return
    if not path.is_file():
        yield same(f"file {PREDICTIONS}", "the predictions", "missing")
        return
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    right = [row["label"] == row["truth"] for row in rows]
    yield same("number of predictions", record.result["n_images"], len(rows))
    yield number("top-1 accuracy", claimed["top-1"]["value"], sum(right) / max(len(right), 1))
    yield from figures_again(record, path)
    yield from _columns(rows)
    yield from _predicted_again(record, config, rows)


def _columns(rows: list[dict[str, Any]]) -> Iterator[Check]:
    """Whether what a row says beside its label and probabilities follows from these."""
    classes = [name for name in rows[0] if name.startswith(_OF_CLASS)] if rows else []
    if not classes or not {f"{_OF_CLASS}{row['truth']}" for row in rows} <= set(classes):
        return
    try:
        p = np.array([[float(row[name]) for name in classes] for row in rows])
    except ValueError:  # metadata of such a name
        return
    if np.abs(p.sum(1) - 1).max() > _OF_DIGITS * len(classes):
        return
    true, place = np.array([classes.index(f"{_OF_CLASS}{row['truth']}") for row in rows]), np.arange(len(rows))
    others = p.copy()
    others[place, true] = -1.0
    given = {name: np.array([float(row[name]) for row in rows]) for name in ("loss", "margin", "probability")}
    away = np.abs(
        [
            np.exp(-given["loss"]) - p[place, true],
            given["margin"] - p[place, true] + others.max(1),
            given["probability"] - p.max(1),
        ]
    ).max(0)
    wrong = [
        k for k, row in enumerate(rows) if away[k] > _OF_DIGITS or row["correct"] != _TRUE_OR_NOT[row["label"] == row["truth"]]
    ]
    shown = f"row {wrong[0]}" if wrong else "all rows"
    yield Check(
        what="losses, margins and correctness",
        claimed="follow from the probabilities",
        found=f"not in {shown}" if wrong else f"in {shown}",
        verdict=Verdict.REFUSED if wrong else Verdict.SAME,
    )


def _predicted_again(record: RunRecord, config: VerifyConfig, rows: list[dict[str, Any]]) -> Iterator[Check]:
    kept = {"calibrate": None, "calibrator": CALIBRATORS[0]}  # the calibration itself is read from the directory of the network
    given = record.config(EvalConfig, device=config.device, trust_code=config.trust_code, **kept)
    loaded = open_model_and_data(given, SILENT, look=False)
    split = _seen(loaded.split(given.split), record)
    yield same("SHA-256 of the network", record.result["model_sha256"], loaded.trained.sha256)
    yield same("network", record.result["model"], loaded.trained.name)
    yield same("data", [record.result[name] for name in ("data", "split")], [loaded.data.name, given.split])
    if len(split.y) != len(rows):
        yield same("number of examples in the data", len(rows), len(split.y))
        return
    picked = a_tenth(len(rows), config.seed)
    log_p = log_probabilities(loaded.logits(split.x[picked]).numpy())
    names, some = loaded.names(log_p.shape[1]), [rows[k] for k in picked]
    ordered = np.sort(log_p, axis=1)
    margins = ordered[:, -1] - ordered[:, -2] if log_p.shape[1] > 1 else np.full(len(some), np.inf)
    yield repeated_labels("labels of a tenth", [row["label"] for row in some], [names[k] for k in log_p.argmax(1)], margins)
    truth = [names[k] for k in split.y[picked].tolist()]
    yield same("true labels of a tenth", [row["truth"] for row in some] == truth, True)
    yield _probabilities([float(row["probability"]) for row in some], np.exp(ordered[:, -1]))


def _seen(split: Split, record: RunRecord) -> Split:
    """The examples that a run saw that stopped early, else all."""
    stopped = record.result.get("stopped")
    if not stopped:
        return split
    seen = np.sort(random_order(len(split.y), record.content["config"]["seed"])[: stopped["seen"]])
    return Split(split.x[seen], split.y[seen], {name: column[seen] for name, column in split.metadata.items()})


def _probabilities(claimed: list[float], found: np.ndarray) -> Check:
    away = float(np.abs(np.array(claimed) - found).max())
    verdict = Verdict.SAME if away == 0 else Verdict.CLOSE if away < _CLOSE else Verdict.REFUSED
    what = count(len(claimed), "probability", "probabilities")
    return Check(what="probabilities of a tenth", claimed=what, found=f"differ by {away:.2g} at most", verdict=verdict)
