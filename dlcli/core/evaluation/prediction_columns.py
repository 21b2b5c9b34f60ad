"""The table of predictions that dlcli writes, one row per example, which `prediction_files` reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcli.core.evaluation.metrics import Floats
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.tables import Table

LOSS = "loss"
INDEX = "index"
DERIVED = (INDEX, LOSS, "margin", "correct", "entropy", "disagreement")
"""Columns that follow from the others, so that they are no metadata."""


def prediction_columns(
    predictions: Predictions, files: Sequence[Any] | None, metadata: dict[str, Any], spread: dict[str, Floats], most: int
) -> Table:
    """The table that dlcli writes, which `read_predictions` reads.

    Probabilities have nine digits, which tell all numbers of float32 apart; the loss has all of float64, so that it is known
    where a probability is nearly 0.

    Args:
        predictions: The predictions of a network, with log-probabilities.
        files: The file of each example, if there are files.
        metadata: Other columns, (n,) each; those that have a name of the table's own are skipped.
        spread: Further figures of each example, (n,) each.
        most: The largest number of probabilities that are written; without them only those of labels are.
    """
    log_p, y, outputs = predictions.log_p, predictions.y, predictions.outputs
    if log_p is None or predictions.confidence is None:
        raise ValueError("log-probabilities are needed")
    rows = np.arange(len(y))
    p = np.exp(log_p)
    true = p[rows, y]
    others = p.copy()
    others[rows, y] = -np.inf
    loss, margin = -log_p[rows, y], true - (others.max(1) if len(outputs) > 1 else 0)
    columns: dict[str, Sequence[Any]] = {INDEX: rows.tolist()}
    if files is not None:
        columns["file"] = [str(one) for one in files]
    columns |= {
        "truth": [outputs[k] for k in y],
        "label": [outputs[k] for k in predictions.predicted],
        "probability": _digits(predictions.confidence),
        LOSS: [repr(float(one) + 0.0) for one in loss],
        "margin": _digits(margin),
        "correct": ["true" if one else "false" for one in predictions.correct],
        **{name: _digits(values) for name, values in spread.items()},
    }
    if p.size <= most:
        columns |= {f"p_{name}": _digits(p[:, k]) for k, name in enumerate(outputs)}
    columns |= {name: list(map(_plain, values)) for name, values in metadata.items() if name not in columns}
    return Table(list(columns), [list(row) for row in zip(*columns.values(), strict=True)], name="predictions.csv")


def _digits(values: Floats) -> list[str]:
    return [f"{one:.9g}" for one in values.tolist()]


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
