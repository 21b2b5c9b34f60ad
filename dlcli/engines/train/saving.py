"""What a training leaves in its output folder."""

from functools import partial
from pathlib import Path
from typing import Any

from dlcli.core.model_io.dev_set import DEV, SavedDevSet, hash_of_set
from dlcli.core.model_io.run_dir import save_model
from dlcli.engines.train.epoch_log import epoch_names, history_table, watched_set
from dlcli.engines.train.finished import FACTS, facts
from dlcli.engines.train.fitting import Fitted
from dlcli.engines.train.gradient_probes import save_probes
from dlcli.engines.train.job import Job, preparation_of
from dlcli.engines.train.pretrain import STATE as PRETRAINING_STATE
from dlcli.engines.train.semi_files import save_semi
from dlcli.support.atomic import write_text
from dlcli.support.finish import finish

STATE, HISTORY, RUNS = "state.safetensors", "history.csv", "runs.csv"


def save_run(folder: Path, job: Job, fitted: Fitted) -> None:
    """Write the network, its learning curve and what its method keeps, and remove the state of the training."""
    data, surgery = job.data, (*job.config.surgery, *job.config.grow)
    save_model(
        folder,
        model=fitted.model,
        spec=job.arch.name,
        surgery=surgery,
        channels=data.channels,
        size=data.size,
        classes=data.classes,
        frames=data.frames,
        clips=data.clips,
        preparation=preparation_of(job.config),
        more={FACTS: facts(job, fitted)},
        data=job.config.data,
        learned=_learned(job, fitted),
    )
    save_semi(folder, job, fitted)
    save_probes(folder, fitted.probes)
    write_text(folder / HISTORY, history_table(epoch_names(job.task, watched_set(data)), fitted.history, fitted.pseudo))
    for name in (STATE, PRETRAINING_STATE):
        finish(partial((folder / name).unlink, missing_ok=True), removes=[folder / name])


def _learned(job: Job, fitted: Fitted) -> dict[str, Any]:
    """What eval and predict need to know of a task other than the classes of images."""
    group = {"group": job.config.group} if job.config.group is not None else {}
    return {**job.task.learned(job.data, fitted.objective, fitted.predicted, job.config), **group, **_held_out(job)}


def _held_out(job: Job) -> dict[str, Any]:
    """How the dev set was drawn, for eval to draw it again; nothing of data that bring their own."""
    config = job.config
    if not job.held_out or config.dev is None:
        return {}
    dev = job.data.splits[DEV]
    saved = SavedDevSet(
        share=config.dev,
        seed=job.seed,
        group=job.group,
        limit=config.limit,
        labels=config.labels,
        labels_seed=job.seed if job.labels_seed is None else job.labels_seed,
        examples=len(dev.y),
        examples_sha256=hash_of_set(dev),
    )
    return {DEV: saved.to_json()}
