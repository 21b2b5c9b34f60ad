"""The sides of a comparison, or the only one: their options, data and jobs, and a network of each."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.worker_plan import WorkerPlan, plan_workers
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, Sampling, check_trainable
from dlcli.core.data.groups import groups_of
from dlcli.core.data.mask_labels import MaskReading
from dlcli.core.data.resize import check_limit
from dlcli.core.tasks import task_for
from dlcli.core.tasks.base import TrainedFacts
from dlcli.engines.train.equal_compute import longer_side
from dlcli.engines.train.fitting import Fitted, n_watched
from dlcli.engines.train.frozen_features import fit
from dlcli.engines.train.job import Job, describe, open_job, preparation_of, steps
from dlcli.engines.train.notes import data_notes
from dlcli.engines.train.semi import generated_by
from dlcli.engines.train.semi_versus import with_equal_steps
from dlcli.engines.train.sequences import open_training_sequences
from dlcli.engines.train.sets import TrainingSets, labels_note, labels_seed_of, open_unlabelled, prepared, varies
from dlcli.engines.train.versus import PairedTraining, TrainedVariant
from dlcli.engines.training_log import run_name
from dlcli.specs.arms import arms
from dlcli.specs.sequences import SEQUENCES
from dlcli.specs.train import SEEDS_OF_A_ROOT, TrainConfig, dropped
from dlcli.specs.train_result import GIVEN
from dlcli.specs.training_options import SEEDS
from dlcli.specs.variant import given_name, variant
from dlcli.support.reporter import SILENT, Reporter

_DATA_OPTIONS = {"data", "limit", "size", "label_column", "frames", "clips", "fps", "strict"}
_SHARED_OPTIONS = frozenset(
    _DATA_OPTIONS
    | {"versus", "seeds", "workers", "seed", "device", "output", "resume", "task", "vectors", "columns", "log", "trust_code"}
    | {"score_column", "raters", "group", "unlabelled", "labels_seed", "label_draws", "rate", "pad", "ignore", "next", "steps"}
    | {"prove_causal", "detect", "probe", "cluster"}
)
"""What the two sides of a comparison share, so that nothing but the change can tell them apart."""


def _data(config: TrainConfig, report: Reporter) -> ImageData:
    if config.task == SEQUENCES:
        return open_training_sequences(config, report)
    how = preparation_of(config, report)
    data = open_data(
        config.data,
        strict=config.strict,
        report=report,
        size=config.size,
        preparation=how,
        limit=config.limit,
        label_column=config.score_column or config.label_column,
        target=task_for(config).target,
        raters=config.raters,
        group=config.group,
        masks=MaskReading(config.ignore),
        sampling=Sampling(config.frames, config.clips, config.fps),
    )
    check_limit(data, config.limit)
    check_trainable(data)
    task_for(config).check(data, config)
    if how is not None:
        report.note(f"{data.unit}s are prepared as for {config.model}: {how}")
    return data


def open_sets(config: TrainConfig, report: Reporter) -> TrainingSets:
    """The data of a training, and its images without labels."""
    data = _data(config, report)
    return TrainingSets(data, open_unlabelled(config, data, report))


def _sides(config: TrainConfig) -> dict[str, TrainConfig]:
    if config.versus is None:
        return arms(config, partial(dropped, config)) if config.compares else {GIVEN: config}
    return {
        GIVEN: config,
        config.versus: variant(
            config, config.versus, baseline={"surgery": ()}, fixed=_SHARED_OPTIONS, dropped=partial(dropped, config)
        ),
    }


def seeds_of(config: TrainConfig) -> range:
    """The seed itself, or those of a comparison: no two roots share one, and each is the seed of a training on its own."""
    first = config.seed * SEEDS_OF_A_ROOT if config.compares else config.seed
    return range(first, first + ((config.seeds or SEEDS) if config.compares else 1))


def open_side(
    config: TrainConfig, sets: TrainingSets, device: torch.device, seed: int, whole: TrainConfig | None = None
) -> Job:
    """The job of a side of a comparison, with the sets that its seed draws.

    Args:
        config: The options of the side.
        sets: The data of all sides.
        device: Where to compute.
        seed: That of the training.
        whole: The options of the comparison; None without one.
    """
    found = prepared(sets, config, seed, labels_seed_of(whole or config, seed))
    n = len(found.unlabelled) if found.unlabelled is not None else 0
    return replace(open_job(config, found.data, device, seed, n), **found.beside_data)


def _from_seed(config: TrainConfig, sets: TrainingSets, job: Job, seed: int) -> Job:
    """`job` from a seed, which also draws the labelled examples, the dev set and the corruption of `sets`."""
    if seed == job.seed or not varies(job.config):
        return replace(job, seed=seed)
    found = prepared(sets, job.config, seed, labels_seed_of(config, seed))
    return replace(job, seed=seed, data=found.data, **found.beside_data)


def open_sides(
    config: TrainConfig, sets: TrainingSets, device: torch.device, sides: Mapping[str, TrainConfig] | None = None
) -> PairedTraining:
    """The jobs of all sides, by name, and how networks of them are trained from other seeds and in other processes.

    Args:
        config: The options of the comparison.
        sets: The data of all sides.
        device: Where to compute.
        sides: The options of each side; None: those that `config` names.
    """
    first = seeds_of(config)[0]
    jobs = {name: open_side(side, sets, device, first, config) for name, side in (sides or _sides(config)).items()}
    for name, side in with_equal_steps(jobs).items():
        jobs[name] = open_side(side, sets, device, first, config)
    if sides is None and (longer := longer_side(config, jobs)) is not None:
        jobs[longer.name] = open_side(longer.config, sets, device, first, config)
    return PairedTraining(jobs, partial(_reopened, config, sides), _trained, partial(_from_seed, config, sets))


def _reopened(config: TrainConfig, sides: Mapping[str, TrainConfig] | None) -> PairedTraining:
    """A comparison in another process, without repeating the warnings about skipped files."""
    return open_sides(config, open_sets(config, SILENT), choose_device(config.device), sides)


def plan_sides(config: TrainConfig, sides: PairedTraining) -> WorkerPlan:
    """How many networks are trained at a time, on how many threads each, and on which GPUs."""
    first = next(iter(sides.jobs.values()))
    return plan_workers(len(seeds_of(config)) * len(sides.jobs), first.device, wanted=config.workers, held=sides.held)


def _trained(name: str, job: Job, report: Reporter) -> TrainedVariant | None:
    shown = given_name(job.config, job.config.versus) if name == GIVEN and job.config.versus else name
    fitted = fit(job, report=report, label=f"training {shown}, seed {job.seed}, steps", run=run_name(name, job.seed))
    if fitted is None:
        return None
    notes = (*job.arch.notes, *labels_note(job), *fitted.surgery, *data_notes(job))
    group = groups_of(job.data.splits["test"].metadata, job.group, job.data.name)
    outcomes = job.task.outcomes(fitted.predicted, job.data.y_test.numpy(), group)
    return TrainedVariant(
        row_of(name, job, fitted),
        fitted.history,
        notes,
        outcomes,
        pretraining=None if fitted.pretrained is None else fitted.pretrained.row(job, name),
        pseudo=fitted.pseudo,
        generated=generated_by(job, fitted.networks),
        facts=describe(job),
    )


def row_of(name: str, job: Job, fitted: Fitted) -> Any:
    """The row of a trained network of the side `name` in a result."""
    test = job.data.splits["test"]
    return job.task.row(
        TrainedFacts(
            variant=name,
            seed=job.seed,
            history=fitted.history,
            best_epoch=fitted.best_epoch,
            n_watched=n_watched(job),
            epoch_steps=steps(job) // job.recipe.epochs,
            seconds=fitted.seconds,
            sha256=fitted.sha256,
            cpu_seconds=fitted.cpu_seconds,
            labels_seed=job.labels_seed,
            predicted=fitted.predicted,
            test=test,
            group=groups_of(test.metadata, job.group, job.data.name),
            model=fitted.model,
            classes=job.data.classes,
        )
    )
