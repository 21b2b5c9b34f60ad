"""Trains the members of an ensemble stacked into one network, which is fast on a GPU."""

import time
from collections.abc import Sequence

import torch

from dlcli.core.ensembles.stacked import StackedTraining, why_not_stackable
from dlcli.engines.ensemble.member_log import log_loss, log_member
from dlcli.engines.ensemble.member_training import evaluated, save_member
from dlcli.engines.ensemble.members import EnsembleSetup, TrainedMember, load_member
from dlcli.engines.train.job import Job, build, hooks, steps
from dlcli.specs.sequences import SEQUENCES
from dlcli.specs.train import SCORES, SEGMENT
from dlcli.support.errors import ResourceError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

_NOT_STACKED = {SCORES: "they predict scores", SEQUENCES: "sequences differ in length", SEGMENT: "they predict masks"}
"""Why members are trained one by one, by their task."""


def reason_not_stacked(setup: EnsembleSetup) -> str:
    """Why the members cannot be trained stacked; "" if they can."""
    config = setup.config
    if config.task in _NOT_STACKED:
        return _NOT_STACKED[config.task]
    if config.snapshots:
        return "snapshots come one after the other"
    if config.adversarial is not None:
        return "adversarial examples are made for one network at a time"
    if len(set(config.model)) > 1:
        return "they are of different architectures"
    if config.members < 2:
        return "there is one only"
    networks = [build(setup.job(number))[0] for number in range(2)]
    return why_not_stackable(networks, setup.data.sample(2)) or ""


def train_stacked(setup: EnsembleSetup, report: Reporter) -> list[TrainedMember]:
    """Train the members at once, in halves where they do not fit in memory; returns them in order, or those that are done."""
    found = [load_member(setup, number) for number in range(setup.config.members)]
    missing = [number for number, one in enumerate(found) if one is None]
    done = [one for one in found if one is not None] + (_train_at_once(setup, missing, report) if missing else [])
    return sorted(done, key=lambda one: one.number)


def _train_at_once(setup: EnsembleSetup, numbers: Sequence[int], report: Reporter) -> list[TrainedMember]:
    try:
        return _stack(setup, numbers, report)
    except ResourceError:
        if len(numbers) < 2:
            raise
    half = len(numbers) // 2
    report.note(f"{count(len(numbers), 'member')} do not fit in memory at once; training half of them at a time")
    first = _train_at_once(setup, numbers[:half], report)
    return first + (_train_at_once(setup, numbers[half:], report) if len(first) == half else [])


def _stack(setup: EnsembleSetup, numbers: Sequence[int], report: Reporter) -> list[TrainedMember]:
    started, data = time.perf_counter(), setup.data
    jobs = [setup.job(number) for number in numbers]
    built = [build(job) for job in jobs]
    draws = [_drawn(setup, job) for job in jobs]
    recipe = jobs[0].recipe
    training = StackedTraining(
        [model for model, _ in built],
        data.x_train,
        data.y_train,
        recipe,
        draws=draws,
        seeds=[job.seed for job in jobs],
        device=setup.device,
        hooks=hooks(jobs[0]),
        names=[f"member {number + 1}" for number in numbers],
    )
    owned = [setup.with_own_images(job) for job in jobs]
    with (
        report.stoppable() as stop,
        report.task(f"training {count(len(numbers), 'member')} at once, steps", steps(owned[0])) as task,
    ):
        while not training.done:
            mean = training.run_epoch(task, stop)
            for number, loss in zip(numbers, training.losses.mean(0).tolist() if mean is not None else (), strict=False):
                log_loss(report, number, recipe, training.epoch, loss, steps=len(training.losses))
            if stop() and not training.done:
                return []
    training.finish(report)
    seconds = (time.perf_counter() - started) / len(numbers)
    trained = zip(numbers, owned, built, strict=True)
    found = []
    for number, job, (model, notes) in trained:
        finished = evaluated(setup, number, job, model, seconds, notes)
        save_member(setup, finished, job, model)
        found.append(finished.member)
    for one in found:
        log_member(report, setup.task, one.number, one.outputs, data.y_test, training.epoch)
    return found


def _drawn(setup: EnsembleSetup, job: Job) -> torch.Tensor:
    image_indices = setup.image_indices(job)
    return torch.arange(len(setup.data.y_train)) if image_indices is None else image_indices
