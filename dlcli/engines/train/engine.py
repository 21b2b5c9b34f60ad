"""Train a network, or two in pairs to see whether a change helps: the engine of `dlcli train`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dlcli.core.compute.device import choose_device, describe_device, threads
from dlcli.core.compute.worker_plan import WorkerPlan, plan_workers
from dlcli.core.data import open_data
from dlcli.core.data.base import SCORE, ImageData, Sampling, check_trainable
from dlcli.core.data.groups import groups_of
from dlcli.core.data.mask_labels import MaskReading
from dlcli.core.data.scores import score_levels
from dlcli.core.grouped import crossed_difference
from dlcli.core.model_io.run_dir import METADATA, save_model
from dlcli.core.run_log import check_logs
from dlcli.core.stats import least_established
from dlcli.core.tasks import is_of_images, task_for
from dlcli.core.tasks.base import TrainedFacts
from dlcli.core.training.recipe import resolve_threads, steps_per_epoch
from dlcli.engines.output_folder import FolderState, check_output_folder, note_other_files
from dlcli.engines.train.body import check_body, is_body, next_command, train_body
from dlcli.engines.train.epoch_log import epoch_names, figure_names, history_table, watched_set
from dlcli.engines.train.equal_compute import equal_compute, longer_side
from dlcli.engines.train.finished import FACTS, facts, is_finished, load_finished
from dlcli.engines.train.fitting import Fitted, n_watched, preflight
from dlcli.engines.train.frozen_features import fit
from dlcli.engines.train.input_check import warn_of_feeding
from dlcli.engines.train.job import Job, describe, open_job, preparation_of, steps
from dlcli.engines.train.label_draws import draw_notes, draw_of, means_by_draw
from dlcli.engines.train.pairs import plan_pairs, train_pairs
from dlcli.engines.train.pretrain import STATE as PRETRAINING_STATE
from dlcli.engines.train.pretrain import pretraining_note
from dlcli.engines.train.pretrain_method import pretraining_epochs, pretraining_images
from dlcli.engines.train.pretrained_facts import probe_gains
from dlcli.engines.train.pseudo_labels import pseudo_note
from dlcli.engines.train.semi import generated_by
from dlcli.engines.train.semi_files import save_semi
from dlcli.engines.train.semi_versus import semi_comparison_notes, with_equal_steps
from dlcli.engines.train.sequences import open_training_sequences
from dlcli.engines.train.sets import TrainingSets, labels_note, labels_seed_of, open_unlabelled, prepared, varies
from dlcli.engines.train.versus import (
    PairedTraining,
    TrainedVariant,
    add_epochs_to_level,
    compare,
    compare_with,
    train_paired,
)
from dlcli.engines.training_log import LoggedRun, open_logs, run_name
from dlcli.engines.trusted import only_named_code
from dlcli.specs.arms import arms
from dlcli.specs.figures import in_units, points
from dlcli.specs.image_results import ImageTrainResult
from dlcli.specs.pairs import PairsTrainResult
from dlcli.specs.scores import ScoreTrainResult
from dlcli.specs.sequences import SEQUENCES
from dlcli.specs.train import SEEDS_OF_A_ROOT, TrainConfig, dropped
from dlcli.specs.train_result import GIVEN, Comparison, TrainResult
from dlcli.specs.training_options import SEEDS
from dlcli.specs.variant import given_name, variant
from dlcli.support.atomic import write_text
from dlcli.support.finish import finish
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

STATE, HISTORY, RUNS = "state.safetensors", "history.csv", "runs.csv"
_ENOUGH = 10

_DATA_OPTIONS = {"data", "limit", "size", "label_column", "frames", "clips", "fps", "strict"}
_SHARED_OPTIONS = frozenset(
    _DATA_OPTIONS
    | {"versus", "seeds", "workers", "seed", "device", "output", "resume", "task", "vectors", "columns", "log", "trust_code"}
    | {"score_column", "raters", "group", "unlabelled", "labels_seed", "label_draws", "rate", "pad", "ignore", "next", "steps"}
)
"""What the two sides of a comparison share, so that nothing but the change can tell them apart."""


_WITH_PRETRAINING = TrainResult | ScoreTrainResult
"""The results of tasks whose networks can be pre-trained."""
_NAMED = 5
"""The most scores without an example that a note names."""


@only_named_code
def run(config: TrainConfig, *, report: Reporter = SILENT) -> ImageTrainResult | PairsTrainResult:
    """Train on the training set and evaluate on the test set; with `versus`, once per side and seed; or learn from pairs.

    With `config.output`, a folder, leaves the network there (or the comparison), and after each epoch the state from which
    `resume` continues. Raises the kinds of `dlcli.support.errors`.
    """
    if not is_of_images(config.task):
        _check_folder(config, report)
        return train_pairs(config, report)
    check_logs(config.log)
    device = choose_device(config.device)
    sets = _sets(config, report)
    _check_folder(config, report)
    if config.compares:
        return _versus(config, sets, device, report)
    with threads(resolve_threads(open_job(config, sets.data, device, config.seed).recipe)):
        return _single(config, sets, device, report)


@only_named_code
def plan(config: TrainConfig) -> list[str]:
    """What `run` would do, one line per step; opens the data and builds the network, but trains and writes nothing."""
    if not is_of_images(config.task):
        _check_folder(config)
        return plan_pairs(config)
    check_logs(config.log)
    device = choose_device(config.device)
    sets = _sets(config, SILENT)
    data = sets.data
    _check_folder(config)
    seeds = _seeds(config)
    has = "scores" if data.target == SCORE else f"{len(data.classes)} classes"
    found = f"{len(data.x_train)} training and {len(data.x_test)} test {data.unit}s, {has}"
    lines = [f"read {data.name}: {found}"]
    if sets.unlabelled is not None:
        lines.append(f"read {config.unlabelled}: {len(sets.unlabelled)} images without labels")
    opened = _open_sides(config, sets, device)
    processes = _plan_workers(config, opened) if config.compares else WorkerPlan(1, torch.get_num_threads())
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
        lines.append(f"train {count(processes.workers, 'network')} at a time")
    lines += [f"log to {spec}" for spec in config.log]
    return [*lines, f"write the run to {config.output}"] if config.output is not None else lines


def _steps(job: Job) -> int:
    """Those of the training, or of pre-training alone."""
    if not job.config.pretrain_only:
        return steps(job)
    return pretraining_epochs(job) * steps_per_epoch(pretraining_images(job), job.recipe.batch_size)


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
    check_trainable(data)
    task_for(config).check(data, config)
    if how is not None:
        report.note(f"{data.unit}s are prepared as for {config.model}: {how}")
    return data


def _sets(config: TrainConfig, report: Reporter) -> TrainingSets:
    data = _data(config, report)
    return TrainingSets(data, open_unlabelled(config, data, report))


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


def _sides(config: TrainConfig) -> dict[str, TrainConfig]:
    if config.versus is None:
        return arms(config, partial(dropped, config)) if config.compares else {GIVEN: config}
    return {
        GIVEN: config,
        config.versus: variant(
            config, config.versus, baseline={"surgery": ()}, fixed=_SHARED_OPTIONS, dropped=partial(dropped, config)
        ),
    }


def _single(config: TrainConfig, sets: TrainingSets, device: torch.device, report: Reporter) -> ImageTrainResult:
    job = _open_job(config, sets, device, config.seed)
    warn_of_feeding([job], report)
    if config.pretrain_only:
        return _body(config, job, report)
    keep = config.output / STATE if config.output is not None else None
    name = run_name("", job.seed)
    logged = {name: LoggedRun(job, {})}
    figures = figure_names(job.task, job.data)
    with open_logs(logged, figures, output=config.output, resume=config.resume, report=report) as logging:
        fitted = _fitted(job, logging, name, keep)
    if fitted is None:
        return _result(config, job, (), (), notes=("stopped",))
    notes = (*job.arch.notes, *labels_note(job), *fitted.surgery, *pseudo_note(fitted.pseudo), *_data_notes(job))
    result = _result(config, job, (_row(GIVEN, job, fitted),), (), notes=notes, predicted=fitted.predicted)
    if fitted.pretrained is not None and isinstance(result, _WITH_PRETRAINING):
        result = replace(result, pretraining=(fitted.pretrained.row(job, GIVEN),))
    if config.output is not None:
        from dlcli.engines.train.report import save_run_page  # here, since it imports matplotlib

        _save(config.output, job, fitted)
        save_run_page(
            config.output,
            job.task,
            result,
            fitted.history,
            watched=watched_set(job.data),
            pseudo=fitted.pseudo,
            generated=generated_by(job, fitted.networks),
            classes=job.data.classes,
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
    if job.config.resume and keep is not None and not keep.exists() and is_finished(keep.parent):
        return load_finished(job, keep.parent, report, run)
    return fit(job, report=report, label=f"training {job.arch.name}, steps", run=run, keep=keep)


def _versus(config: TrainConfig, sets: TrainingSets, device: torch.device, report: Reporter) -> ImageTrainResult:
    sides = _open_sides(config, sets, device)
    warn_of_feeding(sides.jobs.values(), report)
    _warn_of_equal(config, sides.jobs, report)
    processes = _plan_workers(config, sides)
    seeds = _seeds(config)
    each = [(arm, replace(job, seed=seed)) for seed in seeds for arm, job in sides.jobs.items()]
    runs = {run_name(arm, job.seed): LoggedRun(job, {"arm": arm}) for arm, job in each}
    with open_logs(
        runs, figure_names(each[0][1].task, each[0][1].data), output=config.output, resume=False, report=report
    ) as logging:
        found = train_paired(sides, seeds, processes=processes, report=logging)
    longer = longer_side(config, sides.jobs)
    names = tuple(name for name in sides.jobs if longer is None or name != longer.name)
    every, found = found, [one for one in found if one.row.variant in names]
    rows, level = add_epochs_to_level(found)
    more = [one.row for one in every if one.row.variant not in names]
    first = next(iter(sides.jobs.values()))
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    if len(names) > 2:
        notes = (*notes, f"The highest of several test {first.task.figures} is biased upwards.")
    notes = (*notes, *_few_units(config, len(seeds)), *_for_new_images(found, names, first))
    comparisons = compare(first.task, rows, names)
    if longer is not None:
        comparisons, further = compare_with(first.task, [*rows, *more], names, [longer.names])
    given = given_name(config, config.versus) if config.versus else ""
    compared = {name: sides.jobs[name] for name in names}
    notes = (*semi_comparison_notes(compared, rows, comparisons, given), *draw_notes(compared, rows, given), *notes)
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


def _for_new_images(found: Sequence[TrainedVariant], names: tuple[str, ...], job: Job) -> tuple[str, ...]:
    """A note on the difference of two sides for other test images too, which verdicts are not about."""
    task, unit = job.task, job.data.unit
    each = [{one.row.seed: one.outcomes for one in found if one.row.variant == name} for name in names]
    seeds = [seed for seed in each[0] if all(seed in side for side in each)]
    if len(names) > 2 or len(seeds) < 2 or len(each[0][seeds[0]]) < 2:
        return ()
    draws = [draw_of(one.row) for one in found if one.row.variant == names[0] and one.row.seed in seeds]
    first, second = (means_by_draw(np.stack([side[seed] for seed in seeds]), draws) for side in each)
    group = groups_of(job.data.splits["test"].metadata, job.group, job.data.name)
    by_example = group is not None and first.shape[1] == len(group)  # else outcomes are those of groups already
    gap = crossed_difference(first - second, group if by_example else None)
    verdict = "established" if gap.established else "not established"
    shown = points(gap) if task.in_percent else in_units(gap)
    return (f"For other test {unit}s as well, {task.crossed} differs by {shown}: {verdict}.",)


def _few_units(config: TrainConfig, seeds: int) -> tuple[str, ...]:
    """A note on how large a difference must be to be established over few seeds, or draws of labels."""
    n, what = (config.label_draws, "draws") if config.label_draws else (seeds, "seeds")
    if n >= SEEDS:
        return ()
    least, usual = (least_established(number) for number in (n, _ENOUGH))
    return (
        f"With {n} {what} a difference is established only from {least:.1f} times its standard deviation over {what} on; with "
        f"{_ENOUGH}, from {usual:.1f} times.",
    )


def _seeds(config: TrainConfig) -> range:
    """The seed itself, or those of a comparison: no two roots share one, and each is the seed of a training on its own."""
    first = config.seed * SEEDS_OF_A_ROOT if config.compares else config.seed
    return range(first, first + ((config.seeds or SEEDS) if config.compares else 1))


def _open_job(
    config: TrainConfig, sets: TrainingSets, device: torch.device, seed: int, whole: TrainConfig | None = None
) -> Job:
    """The job of a side of the comparison `whole`, with the sets that its seed draws."""
    found = prepared(sets, config, seed, labels_seed_of(whole or config, seed))
    n = len(found.unlabelled) if found.unlabelled is not None else 0
    return replace(open_job(config, found.data, device, seed, n), **found.beside_data)


def _from_seed(config: TrainConfig, sets: TrainingSets, job: Job, seed: int) -> Job:
    """`job` from a seed, which also draws the labelled examples, the dev set and the corruption of `sets`."""
    if seed == job.seed or not varies(job.config):
        return replace(job, seed=seed)
    found = prepared(sets, job.config, seed, labels_seed_of(config, seed))
    return replace(job, seed=seed, data=found.data, **found.beside_data)


def _open_sides(config: TrainConfig, sets: TrainingSets, device: torch.device) -> PairedTraining:
    first, sides = _seeds(config)[0], _sides(config)
    jobs = {name: _open_job(side, sets, device, first, config) for name, side in sides.items()}
    for name, side in with_equal_steps(jobs).items():
        jobs[name] = _open_job(side, sets, device, first, config)
    if (longer := longer_side(config, jobs)) is not None:
        jobs[longer.name] = _open_job(longer.config, sets, device, first, config)
    return PairedTraining(jobs, partial(_reopened, config), _trained, partial(_from_seed, config, sets))


def _warn_of_equal(config: TrainConfig, jobs: Mapping[str, Job], report: Reporter) -> None:
    """Warn of a variant that trains the same network."""
    if config.versus is not None and describe(jobs[GIVEN]) == describe(jobs[config.versus]):
        report.warn(f"with {config.versus} the network is trained in the same way as without, so nothing is compared")


def _reopened(config: TrainConfig) -> PairedTraining:
    """A comparison in another process, without repeating the warnings about skipped files."""
    return _open_sides(config, _sets(config, SILENT), choose_device(config.device))


def _plan_workers(config: TrainConfig, sides: PairedTraining) -> WorkerPlan:
    """How many networks are trained at a time, on how many threads each, and on which GPUs."""
    first = next(iter(sides.jobs.values()))
    return plan_workers(len(_seeds(config)) * len(sides.jobs), first.device, wanted=config.workers, held=sides.held)


def _trained(name: str, job: Job, report: Reporter) -> TrainedVariant | None:
    shown = given_name(job.config, job.config.versus) if name == GIVEN and job.config.versus else name
    fitted = fit(job, report=report, label=f"training {shown}, seed {job.seed}, steps", run=run_name(name, job.seed))
    if fitted is None:
        return None
    notes = (*job.arch.notes, *labels_note(job), *fitted.surgery, *_data_notes(job))
    group = groups_of(job.data.splits["test"].metadata, job.group, job.data.name)
    outcomes = job.task.outcomes(fitted.predicted, job.data.y_test.numpy(), group)
    return TrainedVariant(
        _row(name, job, fitted),
        fitted.history,
        notes,
        outcomes,
        pretraining=None if fitted.pretrained is None else fitted.pretrained.row(job, name),
        pseudo=fitted.pseudo,
        generated=generated_by(job, fitted.networks),
    )


def _row(name: str, job: Job, fitted: Fitted) -> Any:
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


def _data_notes(job: Job) -> tuple[str, ...]:
    """What there is to know about the loss of scores, how examples are drawn, and how those of the test set hang together."""
    test = job.data.splits["test"]
    group = groups_of(test.metadata, job.group, job.data.name)
    losses = () if job.objective is None else job.objective.notes()
    return (*losses, *_balance_note(job), *job.task.dependence_notes(test, group, job.group, job.data.unit))


def _balance_note(job: Job) -> tuple[str, ...]:
    """What scores balanced sampling draws alike, and which it cannot draw."""
    if job.config.balance is None:
        return ()
    scores = job.data.y_train.numpy()
    there, counts = np.unique(score_levels(scores), return_counts=True)
    what = "integer score" if (scores == np.round(scores)).all() else "tenth of the range of scores"
    gaps = (range(int(low) + 1, int(high)) for low, high in pairwise(there))
    missing = list(islice(chain.from_iterable(gaps), _NAMED + 1))
    some = ", ".join(map(str, missing[:_NAMED])) + (" ..." if len(missing) > _NAMED else "")
    none = f"; no training {job.data.unit} has {some}" if missing else ""
    return (f"balance: each {what} is drawn alike, {len(there)} of them, of {counts.min()} {job.data.unit}s or more{none}",)


def _save(folder: Path, job: Job, fitted: Fitted) -> None:
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
    write_text(folder / HISTORY, history_table(epoch_names(job.task, watched_set(data)), fitted.history, fitted.pseudo))
    for name in (STATE, PRETRAINING_STATE):
        finish(partial((folder / name).unlink, missing_ok=True))


def _learned(job: Job, fitted: Fitted) -> dict[str, Any]:
    """What eval and predict need to know of a task other than the classes of images."""
    group = {"group": job.config.group} if job.config.group is not None else {}
    return {**job.task.learned(job.data, fitted.objective, fitted.predicted, job.config), **group}


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
