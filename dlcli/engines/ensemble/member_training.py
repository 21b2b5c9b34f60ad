"""Trains the members of an ensemble, several at a time, and saves each as soon as it is there."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core.compute.device import threads as torch_threads
from dlcli.core.compute.executor import Cluster, run_jobs
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.worker_plan import WorkerPlan
from dlcli.core.data.base import MASK
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.ensemble_dir import member_folder
from dlcli.core.model_io.run_dir import save_model
from dlcli.core.objectives.base import TaskObjective
from dlcli.core.tasks.base import TaskOfOutputs
from dlcli.core.training.recipe import resolve_threads
from dlcli.engines.ensemble.member_log import log_loss, log_member
from dlcli.engines.ensemble.members import KEY, EnsembleSetup, TrainedMember, load_saved, scores_of
from dlcli.engines.train.fitting import build_grown, start_training
from dlcli.engines.train.job import Job, check_trained_alike, steps
from dlcli.support.reporter import Reporter


@dataclass(frozen=True)
class _ToTrain:
    """A member to train, and the weights that it starts from; None for initial weights of its own."""

    number: int
    start: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class FinishedMember:
    """A trained member as it comes back from where it was trained.

    Attributes:
        member: The member.
        weights: Its weights, on the CPU.
        learned: What its directory records besides the network.
        facts: What determined the weights, where it was trained.
    """

    member: TrainedMember
    weights: Mapping[str, Tensor]
    learned: Mapping[str, Any]
    facts: Mapping[str, object]


def train_in_processes(setup: EnsembleSetup, processes: WorkerPlan, report: Reporter) -> list[TrainedMember]:
    """Train the members in processes with few threads; returns them in order, after an interruption those that are finished.

    Each is saved here as soon as it is there.
    """
    training = _MemberTraining(setup, processes, report)
    missing = [number for number in range(setup.config.members) if not training.load(number)]
    if not setup.config.snapshots:
        training.train([_ToTrain(number) for number in missing])
        return training.members
    for number in missing:
        if not training.train([_ToTrain(number, training.weights.get(number - 1))]):
            break
    return training.members


class _MemberTraining:
    """The members that are done, and the training of others.

    Attributes:
        weights: Those of the members that are done, by number.
    """

    def __init__(self, setup: EnsembleSetup, processes: WorkerPlan, report: Reporter) -> None:
        self.setup, self.processes, self.report = setup, processes, report
        self.cluster = Cluster.of(setup.config.cluster, setup.config.workers, setup.device)
        self.weights: dict[int, Mapping[str, Tensor]] = {}
        self._done: dict[int, TrainedMember] = {}

    @property
    def members(self) -> list[TrainedMember]:
        """Those that are done, in order."""
        return [self._done[number] for number in sorted(self._done)]

    def load(self, number: int) -> bool:
        """Load a member that an earlier run saved; returns whether there is one."""
        with torch_threads(self.processes.threads), torch_threads(resolve_threads(self.setup.job(number).recipe)):
            saved = load_saved(self.setup, number)
        if saved is not None:
            self._add(saved[1], saved[0].state_dict())
        return saved is not None

    def train(self, jobs: Sequence[_ToTrain]) -> bool:
        """Train members; returns whether all are done."""
        workers, threads, gpus = self.processes
        found = run_jobs(
            partial(_train, self.setup),
            jobs,
            workers=workers,
            threads=threads,
            gpus=gpus,
            cluster=self.cluster,
            report=self.report,
            label="training members",
            store=self._keep,
        )
        return all(one is not None for one in found)

    def _keep(self, place: int, found: FinishedMember) -> None:
        if self.cluster is not None:
            check_trained_alike(found.facts, self.setup.facts(found.member.number))
        _save(self.setup, found)
        self._add(found.member, found.weights)

    def _add(self, member: TrainedMember, weights: Mapping[str, Tensor]) -> None:
        if self.setup.task.target == MASK and member.network is None:
            network = _with_weights(self.setup.job(member.number), weights)
            member = replace(member, network=network.to(self.setup.device).eval())
        self._done[member.number] = member
        if self.setup.config.snapshots:  # from which the next one starts
            self.weights[member.number] = weights


def _train(setup: EnsembleSetup, what: _ToTrain, report: Reporter) -> FinishedMember | None:
    """Train a member and evaluate it, where there are cores or GPUs for it; None if interrupted."""
    number = what.number
    job = setup.job(number)
    with torch_threads(resolve_threads(job.recipe)):
        started, job = time.perf_counter(), setup.with_own_images(job)
        training, notes = start_training(job)
        if what.start is not None:
            training.model.load_state_dict(what.start)
        with report.stoppable() as stop, report.task(f"training member {number + 1}, steps", steps(job)) as task:
            while not training.done:
                mean = training.run_epoch(task, stop)
                if mean is not None:
                    log_loss(report, number, job.recipe, training.epoch, mean, steps=len(training.losses))
                if stop() and not training.done:
                    return None
        training.finish(report)
        seconds = time.perf_counter() - started
        found = evaluated(setup, number, job, training.model, seconds, notes)
        log_member(report, setup.task, number, found.member.outputs, setup.data.y_test, training.epoch)
        return found


def evaluated(
    setup: EnsembleSetup, number: int, job: Job, model: nn.Module, seconds: float, notes: tuple[str, ...]
) -> FinishedMember:
    """Evaluate a trained member.

    Args:
        setup: The ensemble.
        number: Of the member, from 0.
        job: How it was trained.
        model: The trained network.
        seconds: Wall-clock time of training.
        notes: Those of surgery.

    Returns:
        The member with its outputs on the test images, and what is saved of it.
    """
    data = setup.data
    first = job.data.splits["train"].take(np.arange(min(len(job.data.y_train), job.task.watched_examples)))
    objective: TaskObjective | None = setup.task.calibrated(job.objective, model, first, setup.device)
    if not isinstance(setup.task, TaskOfOutputs):
        counts = setup.task.predicted(model, data.splits["test"], objective, setup.device)
        outputs = torch.from_numpy(counts)
        learned = {**setup.learned, **setup.task.learned(data, objective, counts, job.config)}
    else:
        outputs = predict_logits(model, data.x_test, device=setup.device)
        predicted = setup.task.predict(outputs, objective)
        learned = {**setup.learned, **setup.task.learned(data, objective, predicted, job.config)}
        outputs = outputs if objective is None else scores_of(objective, outputs)
    known = (*job.arch.notes, *notes)
    one = TrainedMember(number, job.arch.name, outputs, len(job.data.y_train), False, seconds, weights_sha256(model), known)
    weights = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    return FinishedMember(one, weights, learned, setup.facts(number))


def _save(setup: EnsembleSetup, found: FinishedMember) -> None:
    """Save a member that was trained elsewhere, if there is an output directory."""
    if setup.config.output is None:
        return
    job = setup.job(found.member.number)
    save_member(setup, found, job, _with_weights(job, found.weights))


def _with_weights(job: Job, weights: Mapping[str, Tensor]) -> nn.Module:
    model = build_grown(job).model
    model.load_state_dict(weights)
    return model


def save_member(setup: EnsembleSetup, found: FinishedMember, job: Job, model: nn.Module) -> None:
    """Save a trained member if there is an output directory.

    Args:
        setup: The ensemble.
        found: What is known of the member.
        job: How it was trained.
        model: The network with its weights.
    """
    config, data, number = setup.config, setup.data, found.member.number
    if config.output is None:
        return
    save_model(
        member_folder(config.output, number),
        model=model,
        spec=job.arch.name,
        surgery=config.surgery,
        channels=data.channels,
        size=data.size,
        classes=job.data.classes,
        more={KEY: json.dumps(setup.facts(number))},
        frames=data.frames,
        clips=data.clips,
        preparation=setup.preparation,
        data=config.data,
        learned=found.learned,
    )
