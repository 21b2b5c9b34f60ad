"""A finished training in a run directory, whose result `resume` gives again."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlcli.core.layers.multi_clip import for_clips
from dlcli.core.model_io.checkpoint import read_metadata
from dlcli.core.model_io.run_dir import METADATA, WEIGHTS, load_model
from dlcli.core.tasks.base import Epoch, ImageTask
from dlcli.engines.train.epoch_log import log_epochs
from dlcli.engines.train.fitting import Fitted, epoch_schema, final_figures, preflight, with_predictions
from dlcli.engines.train.gradient_probes import read_probes
from dlcli.engines.train.job import OTHER, Job, check_same, check_task, describe
from dlcli.engines.train.pretrained_facts import read_facts
from dlcli.engines.train.semi_files import read_semi
from dlcli.engines.train.stopwatch import NONE_SPENT, Spent
from dlcli.specs.pretraining import NO_PRETRAINING
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata, decode_json, read_json_metadata
from dlcli.support.reporter import Reporter
from dlcli.support.schema import Check, list_of, mapping_of, whole

FACTS = "training"
"""The entry in the header of the weights that says how they were trained."""


def facts(job: Job, fitted: Fitted) -> str:
    """How a network was trained, for the header of its weights; without times, so that the same run gives the same bytes."""
    history = [epoch.named(job.task.figure) for epoch in fitted.history]
    found = {"determined_by": describe(job), "history": history, "best_epoch": fitted.best_epoch}
    return json.dumps(found)


def is_finished(folder: Path) -> bool:
    """Whether a run directory holds a trained network."""
    return (folder / METADATA).exists()


def load_finished(job: Job, folder: Path, report: Reporter, run: str) -> Fitted:
    """The network of an earlier run of the same training, as `fit` returns it.

    Args:
        job: What would be trained.
        folder: The run directory.
        report: Receives the figures of each epoch, for the logs.
        run: Name of the training in logs.

    Raises:
        UsageError: If the run had other options, or is of a version that did not record them.
        InputError: If its files are damaged.
    """
    saved = load_model(folder, job.device)
    written = read_metadata(folder / WEIGHTS).get(FACTS)
    if written is None:
        raise UsageError(f"`resume`: {folder} holds a finished run of an earlier version", hint=OTHER)
    found = decode_json(written, str(folder / WEIGHTS), OTHER)
    check_task(found, job.task.name, folder)
    check_metadata(found if isinstance(found, dict) else {}, folder / WEIGHTS, _schema(job.task), hint=OTHER)
    check_same(found["determined_by"], describe(job), job.config, folder)
    history = tuple(Epoch.from_named(epoch, job.task.figure) for epoch in found["history"])
    model = for_clips(saved.model, job.data.clips)
    pretrained = read_facts(folder, len(job.data.x_test)) if job.config.pretrain != NO_PRETRAINING else None
    spent = _spent(folder)
    fitted = Fitted(model, preflight(job), history, found["best_epoch"], spent.seconds, saved.sha256, np.empty(0))
    fitted = replace(
        fitted, cpu_seconds=spent.cpu_seconds, pretrained=pretrained, probes=read_probes(folder), **read_semi(job, folder)
    )
    fitted = with_predictions(job, fitted)
    per_epoch = job.recipe.epoch_steps(len(job.data.x_train))
    log_epochs(report, run, job.task, job.data, job.recipe, history, steps=per_epoch)
    report.log(run, fitted.best_epoch, final_figures(job, fitted.predicted), final=True)
    report.note(f"{folder} holds this run, finished; its result is given again")
    return fitted


def _spent(folder: Path) -> Spent:
    """The time of training as the run record has it; none if there is none, for a run that was killed before it was written."""
    try:
        (row,) = read_json_metadata(folder / "run.json")["result"]["rows"]
        cpu = row.get("cpu_seconds")
        return Spent(max(0.0, float(row["seconds"])), None if cpu is None else max(0.0, float(cpu)))
    except (OSError, InputError, KeyError, TypeError, ValueError):
        return NONE_SPENT


def _schema(task: ImageTask) -> Mapping[str, Check]:
    return {
        "determined_by": mapping_of(lambda value: ""),
        "history": list_of(epoch_schema(task), least=1),
        "best_epoch": whole(1, 1_000_000),
    }
