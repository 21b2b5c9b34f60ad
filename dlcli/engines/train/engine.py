"""Train a network, or two in pairs to see whether a change helps: the engine of `dlcli train`."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from dlcli.core.compute.device import describe_device, threads
from dlcli.core.compute.executor import Cluster
from dlcli.core.compute.ranks import current_ranks, device_of_rank, joined
from dlcli.core.compute.worker_plan import WorkerPlan
from dlcli.core.data.base import SCORE
from dlcli.core.model_io.run_dir import METADATA
from dlcli.core.run_log import check_logs
from dlcli.core.tasks import is_of_images
from dlcli.core.training.recipe import resolve_threads, steps_per_epoch
from dlcli.engines.output_folder import FolderState, check_output_folder, note_other_files
from dlcli.engines.train.body import check_body, is_body, next_command, train_body
from dlcli.engines.train.causality import require_causal
from dlcli.engines.train.distributed import check_alike, check_launch, heard
from dlcli.engines.train.epoch_log import figure_names, watched_set
from dlcli.engines.train.equal_compute import equal_compute, longer_side
from dlcli.engines.train.finished import is_finished, load_finished
from dlcli.engines.train.fitting import Fitted, preflight
from dlcli.engines.train.frozen_features import fit
from dlcli.engines.train.input_check import warn_of_feeding
from dlcli.engines.train.job import Job, describe, open_job, steps
from dlcli.engines.train.label_draws import draw_notes
from dlcli.engines.train.notes import data_notes, duplicate_notes, few_units, for_new_images
from dlcli.engines.train.pairs import plan_pairs, train_pairs
from dlcli.engines.train.pretrain import STATE as PRETRAINING_STATE
from dlcli.engines.train.pretrain import pretraining_note
from dlcli.engines.train.pretrain_method import pretraining_epochs, pretraining_images
from dlcli.engines.train.pretrained_facts import probe_gains
from dlcli.engines.train.pseudo_labels import pseudo_note
from dlcli.engines.train.sample_size import with_seeds_needed
from dlcli.engines.train.saving import RUNS, STATE, save_run
from dlcli.engines.train.semi import generated_by
from dlcli.engines.train.semi_versus import semi_comparison_notes
from dlcli.engines.train.sets import TrainingSets, labels_note
from dlcli.engines.train.sides import open_sets, open_side, open_sides, plan_sides, row_of, seeds_of
from dlcli.engines.train.suspects import check_folds, find_training_suspects, with_suspects
from dlcli.engines.train.versus import (
    add_epochs_to_level,
    compare,
    compare_with,
    train_paired,
)
from dlcli.engines.training_log import LoggedRun, open_logs, run_name
from dlcli.engines.trusted import only_named_code
from dlcli.specs.image_results import ImageTrainResult
from dlcli.specs.pairs import PairsTrainResult
from dlcli.specs.scores import ScoreTrainResult
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import GIVEN, Comparison, TrainResult
from dlcli.specs.variant import given_name
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

_WITH_PRETRAINING = TrainResult | ScoreTrainResult
"""The results of tasks whose networks can be pre-trained."""


@only_named_code
def run(config: TrainConfig, *, report: Reporter = SILENT) -> ImageTrainResult | PairsTrainResult:
    """Train on the training set and evaluate on the test set; with `versus`, once per side and seed; or learn from pairs.

    With `config.output`, a folder, leaves the network there (or the comparison), and after each epoch the state from which
    `resume` continues. Where torchrun has started several processes they train the network together, the first one writes, and
    all return its result. Raises the kinds of `dlcli.support.errors`.
    """
    check_launch(config)
    if not is_of_images(config.task):
        _check_folder(config, report)
        return train_pairs(config, report)
    report = heard(report)
    check_logs(config.log)
    device = device_of_rank(config.device)
    sets = open_sets(config, report)
    _check_folder(config, report)
    if config.compares:
        return _versus(config, sets, device, report)
    with threads(resolve_threads(open_job(config, sets.data, device, config.seed).recipe)), joined(device):
        return _single(config, sets, device, report)


@only_named_code
def plan(config: TrainConfig) -> list[str]:
    """What `run` would do, one line per step; opens the data and builds the network, but trains and writes nothing."""
    check_launch(config)
    if not is_of_images(config.task):
        _check_folder(config)
        return plan_pairs(config)
    check_logs(config.log)
    device = device_of_rank(config.device)
    sets = open_sets(config, SILENT)
    data = sets.data
    _check_folder(config)
    seeds = seeds_of(config)
    has = "scores" if data.target == SCORE else count(len(data.classes), "class", "classes")
    found = f"{len(data.x_train)} training and {count(len(data.x_test), f'test {data.unit}')}, {has}"
    lines = [f"read {data.name}: {found}"]
    if sets.unlabelled is not None:
        lines.append(f"read {config.unlabelled}: {count(len(sets.unlabelled), 'image')} without labels")
    opened = open_sides(config, sets, device)
    processes = plan_sides(config, opened) if config.compares else WorkerPlan(1, torch.get_num_threads())
    for name, job in opened.jobs.items():
        changed = f" with {', '.join(job.config.surgery)}" if job.config.surgery else ""
        seeded = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
        with threads(processes.threads):
            where = processes.describe_devices(device)
            verb = "pre-train" if config.pretrain_only else "train"
            lines.append(f"{verb} {name}: {job.arch.name}{changed}, {_steps(job)} steps on {where}, {seeded}")
        if config.pretrain_only:
            check_body(job)
        lines += preflight(job)
    if config.compares:
        most = count(processes.workers, "network")
        lines.append(f"train {most} at a time" if config.cluster is None else f"train on the cluster {config.cluster}")
    lines += [f"log to {spec}" for spec in config.log]
    return [*lines, f"write the run to {config.output}"] if config.output is not None else lines


def _steps(job: Job) -> int:
    """Those of the training, or of pre-training alone."""
    if not job.config.pretrain_only:
        return steps(job)
    return pretraining_epochs(job) * steps_per_epoch(pretraining_images(job), job.recipe.batch_size)


def _check_folder(config: TrainConfig, report: Reporter = SILENT) -> None:
    check_output_folder(config.output, resume=config.resume, kind="run", inspect=partial(_inspect, config))
    note_other_files(config.output, resume=config.resume, report=report)


def _inspect(config: TrainConfig, folder: Path) -> FolderState:
    interrupted, finished = any((folder / name).exists() for name in (STATE, PRETRAINING_STATE)), (folder / METADATA).exists()
    occupied = "already holds a run" if interrupted or finished or (folder / RUNS).exists() else ""
    hint = "continue it with `resume`, or choose another `output`"
    body = is_body(folder)
    other = "holds a comparison" if (folder / RUNS).exists() and not config.compares else ""
    begun = finished or (folder / STATE).exists()  # the training that follows pre-training
    if not other and body != config.pretrain_only and (body or begun):
        other = "holds a body" if body else "holds a run"
    return FolderState(occupied or ("already holds a body" if body else ""), hint, other, "choose another `output`")


def _single(config: TrainConfig, sets: TrainingSets, device: torch.device, report: Reporter) -> ImageTrainResult:
    job = open_side(config, sets, device, config.seed)
    check_alike(job)
    warn_of_feeding([job], report)
    require_causal([job], report)
    if config.pretrain_only:
        return _body(config, job, report)
    if config.suspects:
        check_folds(job)
    keep = config.output / STATE if config.output is not None else None
    name = run_name("", job.seed)
    logged = {name: LoggedRun(job, {})}
    figures = figure_names(job.task, job.data)
    ranks = current_ranks()
    logs = open_logs(logged, figures, output=config.output, resume=config.resume, report=report)
    with logs if ranks.first else nullcontext(report) as logging:
        fitted = _fitted(job, logging, name, keep)
    result = ranks.of_first(lambda: _finished(config, job, fitted))
    if not config.suspects or fitted is None or not isinstance(result, TrainResult):
        return result
    suspects = find_training_suspects(job, report)  # once the run is written, which a stop in a fold then leaves
    return replace(result, notes=(*result.notes, "stopped")) if suspects is None else with_suspects(job, result, suspects)


def _finished(config: TrainConfig, job: Job, fitted: Fitted | None) -> ImageTrainResult:
    """The result of a single training, written to the output folder."""
    if fitted is None:
        return _result(config, job, (), (), notes=("stopped",))
    notes = (*job.arch.notes, *labels_note(job), *fitted.surgery, *pseudo_note(fitted.pseudo), *data_notes(job))
    notes = (*notes, *duplicate_notes(job, fitted.predicted))
    result = _result(config, job, (row_of(GIVEN, job, fitted),), (), notes=notes, predicted=fitted.predicted)
    if fitted.pretrained is not None and isinstance(result, _WITH_PRETRAINING):
        result = replace(result, pretraining=(fitted.pretrained.row(job, GIVEN),))
    if config.output is not None:
        from dlcli.engines.train.gradient_page import gradient_parts  # here, since these import matplotlib
        from dlcli.engines.train.report import save_run_page

        save_run(config.output, job, fitted)
        save_run_page(
            config.output,
            job.task,
            result,
            fitted.history,
            watched=watched_set(job.data),
            pseudo=fitted.pseudo,
            generated=generated_by(job, fitted.networks),
            classes=job.data.classes,
            further=gradient_parts(fitted.probes, job.recipe.batch_size),
        )
    return result


def _body(config: TrainConfig, job: Job, report: Reporter) -> ImageTrainResult:
    """Pre-training alone."""
    found = train_body(job, report)
    if found is None:
        return _result(config, job, (), (), notes=("stopped",))
    notes = (*job.arch.notes, *labels_note(job), next_command(job), pretraining_note(job))
    result = _result(config, job, (), (), notes=tuple(filter(None, notes)))
    return replace(result, pretraining=(found.row(job, GIVEN),)) if isinstance(result, _WITH_PRETRAINING) else result


def _fitted(job: Job, report: Reporter, run: str, keep: Path | None) -> Fitted | None:
    """Train, or read what an earlier run with `resume` has trained to the end."""
    ranks, folder = current_ranks(), None if keep is None or keep.exists() else keep.parent
    finished = folder is not None and job.config.resume and is_finished(folder)
    if ranks.of_first(lambda: finished):
        return load_finished(job, folder, report, run) if folder is not None and ranks.first else None
    return fit(job, report=report, label=f"training {job.arch.name}, steps", run=run, keep=keep)


def _versus(config: TrainConfig, sets: TrainingSets, device: torch.device, report: Reporter) -> ImageTrainResult:
    sides = open_sides(config, sets, device)
    warn_of_feeding(sides.jobs.values(), report)
    require_causal(sides.jobs.values(), report)
    _warn_of_equal(config, sides.jobs, report)
    processes = plan_sides(config, sides)
    seeds = seeds_of(config)
    each = [(arm, replace(job, seed=seed)) for seed in seeds for arm, job in sides.jobs.items()]
    runs = {run_name(arm, job.seed): LoggedRun(job, {"arm": arm}) for arm, job in each}
    with open_logs(
        runs, figure_names(each[0][1].task, each[0][1].data), output=config.output, resume=False, report=report
    ) as logging:
        cluster = Cluster.of(config.cluster, config.workers, device)
        found = train_paired(sides, seeds, processes=processes, cluster=cluster, report=logging)
    longer = longer_side(config, sides.jobs)
    names = tuple(name for name in sides.jobs if longer is None or name != longer.name)
    every, found = found, [one for one in found if one.row.variant in names]
    rows, level = add_epochs_to_level(found)
    more = [one.row for one in every if one.row.variant not in names]
    first = next(iter(sides.jobs.values()))
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    if len(names) > 2:
        notes = (*notes, f"The highest of several test {first.task.figures} is biased upwards.")
    notes = (*notes, *few_units(config, len(seeds)), *for_new_images(found, names, first))
    comparisons = compare(first.task, rows, names)
    if longer is not None:
        comparisons, further = compare_with(first.task, [*rows, *more], names, [longer.names])
    comparisons, needed = with_seeds_needed(config.detect, first.task, comparisons, rows, processes.workers)
    given = given_name(config, config.versus) if config.versus else ""
    compared = {name: sides.jobs[name] for name in names}
    notes = (*semi_comparison_notes(compared, rows, comparisons, given), *draw_notes(compared, rows, given), *needed, *notes)
    with threads(processes.threads), threads(resolve_threads(first.recipe)):
        result = _result(config, first, rows, comparisons, notes=notes, level=level)
        result = replace(result, device=processes.describe_devices(device))
    pretrained = tuple(one.pretraining for one in found if one.pretraining is not None)
    if pretrained and isinstance(result, _WITH_PRETRAINING):
        result = replace(result, pretraining=pretrained, probe_gains=probe_gains(pretrained))
    if longer is not None and isinstance(result, _WITH_PRETRAINING):
        result = replace(result, equal_compute=equal_compute(longer, sides.jobs, more, further))
    if config.output is not None and rows:
        from dlcli.engines.train.report import save_comparison  # here, since it imports matplotlib

        save_comparison(
            config.output, first.task, result, every, watched=watched_set(first.data), given=given, classes=first.data.classes
        )
    return result


def _warn_of_equal(config: TrainConfig, jobs: Mapping[str, Job], report: Reporter) -> None:
    """Warn of a variant that trains the same network."""
    if config.versus is not None and describe(jobs[GIVEN]) == describe(jobs[config.versus]):
        report.warn(f"with {config.versus} the network is trained in the same way as without, so nothing is compared")


def _result(
    config: TrainConfig,
    job: Job,
    rows: tuple[Any, ...],
    comparisons: tuple[Comparison, ...],
    *,
    notes: tuple[str, ...],
    level: float | None = None,
    predicted: NDArray[Any] | None = None,
) -> ImageTrainResult:
    common = dict(
        data=job.data.name,
        unit=job.data.unit,
        model=job.arch.name,
        surgery=(*config.surgery, *config.grow),
        n_train=len(job.data.x_train),
        n_test=len(job.data.x_test),
        comparisons=comparisons,
        level=level,
        folder=str(config.output or ""),
        device=describe_device(job.device),
        notes=notes,
    )
    found: ImageTrainResult = job.task.result(
        job.data,
        rows,
        common,
        objective=job.objective,
        predicted=predicted,
        group=job.group,
        raters=config.raters,
    )
    return found
