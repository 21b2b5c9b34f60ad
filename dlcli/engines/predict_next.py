"""A row per step of `dlcli predict`, for a network that predicts the next step of sequences."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlcli.core.compute.batches import in_batches
from dlcli.core.compute.device import at_a_time, choose_device, describe_device
from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.padding import lengths_of
from dlcli.core.compute.precision import float32_precision
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.core.training.next_step import BINARY, CATEGORICAL, NextStepLoss
from dlcli.engines.sequences import read_sequences
from dlcli.specs.predict import PredictConfig, PredictResult
from dlcli.support.errors import UsageError
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table

_SURE = 0.5
"""The probability from which on a channel is predicted to be 1."""


def predict_next(config: PredictConfig, task: RunTask, report: Reporter) -> PredictResult:
    """For each step of each sequence, what the network expects at the next one.

    Args:
        config: The options.
        task: What the run directory records.
        report: Receives the progress.

    Raises:
        UsageError: If an option does not apply.
        InputError: If the data or the network cannot be used.
    """
    started, objective = time.perf_counter(), task.next_step
    if config.explain is not None:
        raise UsageError("`explain` is of images", hint="omit `explain`")
    if config.ensemble is not None:
        raise UsageError("`ensemble` does not apply to a network that predicts the next step", hint="omit `ensemble`")
    device = choose_device(config.device)
    data = read_sequences(config, task, report, unlabelled=True)
    x = data.x_test[: config.limit]
    saved = load_model(Path(str(config.model)), device)

    def outputs(batch: Tensor) -> Tensor:
        return logits_of(saved.model, batch.to(device), axes=1).float().cpu()

    with float32_precision("ieee"), in_mode(saved.model), torch.no_grad():
        found = torch.cat(list(in_batches(outputs, x, size=at_a_time(64, x, device), device=device)))
    return PredictResult(
        data=data.name,
        split="",
        unit=data.unit,
        model=saved.spec,
        model_sha256=saved.sha256,
        n_images=len(x),
        device=describe_device(device),
        seconds=time.perf_counter() - started,
        table=_table(found, lengths_of(x).tolist(), objective, config.top),
        notes=("Each row is what is expected at the step after `step`.",),
    )


def _table(outputs: Tensor, lengths: list[int], objective: NextStepLoss, top: int) -> Table:
    if objective.kind == CATEGORICAL:
        return _symbols(outputs.softmax(1), lengths, objective, top)
    if objective.kind == BINARY:
        return _notes(outputs.sigmoid(), lengths, objective)
    mean, width = outputs.chunk(2, 1)
    scale, shift = (torch.tensor(one)[:, None] for one in (objective.deviation, objective.mean))
    values, spread = mean * scale + shift, (width / 2).exp() * scale
    columns = [name for channel in objective.channels for name in (f"mean_{channel}", f"deviation_{channel}")]
    both = torch.stack([values, spread], 2).flatten(1, 2)
    rows: list[list[object]] = [
        [k, step, *(round(float(value), 6) for value in both[k, :, step])] for k, n in enumerate(lengths) for step in range(n)
    ]
    return Table(["index", "step", *columns], rows)


def _symbols(p: Tensor, lengths: list[int], objective: NextStepLoss, top: int) -> Table:
    best = p.topk(min(top, p.shape[1]), 1)
    columns = ["index", "step", "label", "probability"]
    columns += [f"{word}_{k}" for k in range(2, best.values.shape[1] + 1) for word in ("label", "probability")]
    rows: list[list[object]] = []
    for k, n in enumerate(lengths):
        for step in range(n):
            pairs = zip(best.indices[k, :, step].tolist(), best.values[k, :, step].tolist(), strict=True)
            rows.append([k, step, *(cell for place, one in pairs for cell in (objective.channels[place], round(one, 6)))])
    return Table(columns, rows)


def _notes(p: Tensor, lengths: list[int], objective: NextStepLoss) -> Table:
    """The channels that are more probably 1 than 0, and how many are expected to be."""
    rows: list[list[object]] = []
    for k, n in enumerate(lengths):
        for step in range(n):
            on = np.flatnonzero(p[k, :, step].numpy() >= _SURE)
            names = " ".join(objective.channels[place] for place in on)
            rows.append([k, step, names, round(float(p[k, :, step].sum()), 6)])
    return Table(["index", "step", "channels", "expected"], rows)
