"""Evaluations: the figures follow from predictions.csv, and a tenth of its rows are predicted again."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.core.data.base import Split
from dlcli.core.evaluation.metrics import Floats, Labels, log_probabilities
from dlcli.engines.model_and_data import open_model_and_data
from dlcli.engines.verify.claims import RunRecord, a_tenth, examined, number, repeated_labels, same, skipped
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
    number_of = {name: k for k, name in enumerate(names)}
    claimed = [number_of.get(row["label"], -1) for row in some]
    yield repeated_labels("labels of a tenth", claimed, log_p.argmax(1).tolist(), log_p)
    y = split.y[picked].numpy()
    yield same("true labels of a tenth", [row["truth"] for row in some] == [names[k] for k in y.tolist()], True)
    yield from _probabilities_again(some, names, y, log_p)


def _probabilities_again(rows: list[dict[str, Any]], names: Sequence[str], y: Labels, log_p: Floats) -> Iterator[Check]:
    """The probabilities of rows, of the label and, where the table has them, of every class, and the losses."""
    p = np.exp(log_p)
    yield _near("probabilities of a tenth", [[float(row["probability"])] for row in rows], p.max(1)[:, None])
    columns = [f"{_OF_CLASS}{name}" for name in names]
    if rows and set(columns) <= set(rows[0]):
        yield _near("probabilities of all classes of a tenth", [[float(row[name]) for name in columns] for row in rows], p)
    yield _near("losses of a tenth", [[float(row["loss"])] for row in rows], -log_p[np.arange(len(y)), y][:, None])


def _seen(split: Split, record: RunRecord) -> Split:
    """The examples that a run saw that stopped early, else all."""
    if not record.result.get("stopped"):
        return split
    seen = examined(record, len(split.y))
    return Split(split.x[seen], split.y[seen], {name: column[seen] for name, column in split.metadata.items()})


def _near(what: str, claimed: list[list[float]], found: Floats) -> Check:
    """Numbers that were computed again, (m, numbers); those above 1 may differ by as much of themselves."""
    given = np.array(claimed)
    away = np.abs(given - found) / np.maximum(1.0, np.abs(found))
    farthest = float(np.where(given == found, 0.0, away).max())
    verdict = Verdict.SAME if farthest == 0 else Verdict.CLOSE if farthest < _CLOSE else Verdict.REFUSED
    return Check(what=what, claimed=count(given.size, "number"), found=f"differ by {farthest:.2g} at most", verdict=verdict)
