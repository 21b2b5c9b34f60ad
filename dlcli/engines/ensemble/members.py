"""The members of an ensemble: trained side by side, stacked, or one from where the last one ended; or read again."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.device import threads as torch_threads
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.rng import derive
from dlcli.core.compute.workers import in_parallel, plan_workers
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, check_trainable
from dlcli.core.data.splits import draw
from dlcli.core.model_io.checkpoint import read_metadata, weights_sha256
from dlcli.core.model_io.ensemble_dir import member_folder
from dlcli.core.model_io.run_dir import WEIGHTS, is_run_dir, load_model, save_model
from dlcli.core.training.loop import resolve_threads
from dlcli.engines.train.job import Job, describe, open_job, start_training, steps
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT, Reporter

_KEY = "determined_by"
_COPIES = 3
"""Of the images in a worker, at most: as read, a member's own, and in the order in which the device takes them."""


@dataclass(frozen=True)
class Done:
    """A member without its weights: its logits (n, classes) for the test images, float32; `n_train` is None if unknown."""

    number: int
    model: str
    logits: Tensor
    n_train: int | None
    reused: bool
    seconds: float
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Team:
    """What members are trained on; each from a seed and a draw of its own.

    On its way to another process it leaves the data behind and reads them again there, for they may be large.
    """

    config: EnsembleConfig
    data: ImageData
    device: torch.device

    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (self.config, self.data.fingerprint)

    def job(self, number: int) -> Job:
        """How the member so numbered is trained, on all the images still."""
        config = self.config.training(number)
        seed = derive(self.config.seed, f"member-{number}")
        return open_job(config, self.data, self.device, seed)

    def own(self, job: Job) -> Job:
        """The same with the images that this member draws."""
        drawn = self.drawn(job)
        if drawn is None:
            return job
        sets = {**job.data.splits, "train": job.data.splits["train"].take(drawn.numpy())}
        return replace(job, data=job.data.with_splits(sets))

    def drawn(self, job: Job) -> Tensor | None:
        """The numbers of the images that a member draws; None if it has them all."""
        config, n = self.config, len(self.data.y_train)
        if config.bootstrap is None and config.chunk is None:
            return None
        replacement = config.bootstrap is not None
        return draw(n, config.share, replacement=replacement, seed=derive(job.seed, "bootstrap"))

    def key(self, number: int) -> str:
        """SHA-256 of everything that determines the weights of the member so numbered."""
        config = self.config
        facts = describe(self.job(number)) | {"draw": [config.bootstrap, config.chunk], "snapshot": config.snapshots and number}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def open_team(config: EnsembleConfig, report: Reporter) -> Team:
    """The data, seen to be fit to train on, and the device."""
    device = choose_device(config.device)
    data = open_data(config.data, strict=config.strict, report=report, size=config.size, limit=config.limit)
    check_trainable(data)
    return Team(config, data, device)


def _reopened(config: EnsembleConfig, fingerprint: str) -> Team:
    team = open_team(config, SILENT)
    if team.data.fingerprint != fingerprint:
        raise InputError(
            f"{team.data.name}: the data changed while they were read", hint="start again when nothing writes to them"
        )
    return team


def side_by_side(team: Team) -> tuple[int, int]:
    """How many processes train, with how many threads each; snapshots follow each other in one."""
    chains = 1 if team.config.snapshots else team.config.members
    return plan_workers(chains, team.device, wanted=team.config.workers, held=_COPIES * team.data.memory_bytes)


def in_processes(team: Team, report: Reporter) -> list[Done]:
    """The members in order, each trained in a process with few threads; if told to stop, those that are done."""
    numbers = range(team.config.members)
    chains = [tuple(numbers)] if team.config.snapshots else [(number,) for number in numbers]
    workers, threads = side_by_side(team)
    found = in_parallel(partial(_chain, team), chains, workers=workers, threads=threads, report=report)
    return [one for chain in found if chain is not None for one in chain]


def _chain(team: Team, numbers: tuple[int, ...], report: Reporter) -> tuple[Done, ...] | None:
    """Members one after the other, each from the weights that the last one ended with; None if told to stop."""
    done, model = [], None
    for number in numbers:
        job = team.job(number)
        with torch_threads(resolve_threads(job.recipe)):
            one = _kept(team, number) or _train(team, number, model, report)
            if one is None:
                return None
            model, found = one
            done.append(found)
    return tuple(done)


def _train(team: Team, number: int, last: nn.Module | None, report: Reporter) -> tuple[nn.Module, Done] | None:
    started, job = time.perf_counter(), team.own(team.job(number))
    training, notes = start_training(job)
    if last is not None:
        training.model.load_state_dict(last.state_dict())
    with report.stoppable() as stop, report.task(f"training member {number + 1}", steps(job)) as task:
        while not training.done:
            training.run_epoch(task, stop)
            if stop() and not training.done:
                return None
    training.finish()
    seconds = time.perf_counter() - started
    return training.model, finished(team, number, job, training.model, seconds, notes)


def finished(team: Team, number: int, job: Job, model: nn.Module, seconds: float, notes: tuple[str, ...]) -> Done:
    """Save a trained member if there is an output directory, and evaluate it."""
    config, data = team.config, team.data
    if config.output is not None:
        save_model(
            member_folder(config.output, number),
            model=model,
            spec=job.arch.name,
            surgery=config.surgery,
            channels=data.channels,
            size=data.size,
            classes=data.classes,
            more={_KEY: team.key(number)},
        )
    logits = predict_logits(model, data.x_test, device=team.device)
    return Done(number, job.arch.name, logits, len(job.data.y_train), False, seconds, weights_sha256(model), notes)


def _kept(team: Team, number: int) -> tuple[nn.Module, Done] | None:
    """The member that an earlier run left in the folder; raises UsageError if that had other options."""
    config = team.config
    if not config.resume or config.output is None:
        return None
    folder = member_folder(config.output, number)
    if not is_run_dir(folder):
        return None
    if read_metadata(folder / WEIGHTS).get(_KEY) != team.key(number):
        hint = "use the options it was started with, or choose another `output`"
        raise UsageError(f"`resume`: {folder} was trained with other options", hint=hint)
    saved = load_model(folder, team.device)
    logits = predict_logits(saved.model, team.data.x_test, device=team.device)
    n_train = round(config.share * len(team.data.y_train))
    return saved.model, Done(number, saved.spec, logits, n_train, True, 0.0, saved.sha256)


def kept_before(team: Team, number: int) -> Done | None:
    """The member that an earlier run left in the output directory, None if there is none."""
    found = _kept(team, number)
    return found[1] if found else None


def added(team: Team, report: Reporter) -> Iterator[Done]:
    """The networks of `add`, after the members trained here; copied into the folder."""
    for place, spec in enumerate(team.config.add):
        number, saved = team.config.members + place, load_model(Path(spec), team.device)
        _check_fits(spec, saved.channels, saved.size, saved.classes, team.data)
        if team.config.output is not None:
            save_model(
                member_folder(team.config.output, number),
                model=saved.model,
                spec=saved.spec,
                surgery=saved.surgery,
                channels=saved.channels,
                size=saved.size,
                classes=saved.classes,
            )
        report.note(f"{spec}: member {number + 1}")
        logits = predict_logits(saved.model, team.data.x_test, device=team.device)
        yield Done(number, saved.spec, logits, None, True, 0.0, saved.sha256)


def _check_fits(spec: str, channels: int, size: tuple[int, int], classes: Sequence[str], data: ImageData) -> None:
    if (channels, size) != (data.channels, data.size):
        seen, there = (f"{c}x{h}x{w}" for c, (h, w) in ((channels, size), (data.channels, data.size)))
        raise InputError(f"`add`: {spec} was trained on images of {seen}, and {data.name} has {there}")
    if tuple(classes) != data.classes:
        raise InputError(f"`add`: {spec} was trained on other classes than those of {data.name}")
