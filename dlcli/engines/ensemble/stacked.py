"""The members of an ensemble trained at once, stacked into one network: what a GPU is fast at."""

import time
from collections.abc import Sequence

import torch

from dlcli.core.ensembles.stacked import StackedTraining, why_not_stackable
from dlcli.engines.ensemble.members import Done, Team, finished, kept_before
from dlcli.engines.train.job import Job, build, hooks, steps
from dlcli.support.errors import ResourceError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter


def why_not(team: Team) -> str:
    """Why the members to be trained cannot be stacked, "" if they can."""
    config = team.config
    if config.snapshots:
        return "snapshots come one after the other"
    if config.adversarial is not None:
        return "adversarial examples are made for one network at a time"
    if len(set(config.model)) > 1:
        return "they are of different architectures"
    if config.members < 2:
        return "there is one only"
    networks = [build(team.job(number))[0] for number in range(2)]
    return why_not_stackable(networks, team.data.sample(2)) or ""


def in_stacks(team: Team, report: Reporter) -> list[Done]:
    """The members in order, trained at once; in halves if memory does not hold all. If told to stop, those that are done."""
    found = [kept_before(team, number) for number in range(team.config.members)]
    missing = [number for number, one in enumerate(found) if one is None]
    done = [one for one in found if one is not None] + (_together(team, missing, report) if missing else [])
    return sorted(done, key=lambda one: one.number)


def _together(team: Team, numbers: Sequence[int], report: Reporter) -> list[Done]:
    try:
        return _stack(team, numbers, report)
    except ResourceError:
        if len(numbers) < 2:
            raise
    half = len(numbers) // 2
    report.note(f"the memory does not hold {count(len(numbers), 'member')} at once; half of them at a time")
    first = _together(team, numbers[:half], report)
    return first + (_together(team, numbers[half:], report) if len(first) == half else [])


def _stack(team: Team, numbers: Sequence[int], report: Reporter) -> list[Done]:
    started, data = time.perf_counter(), team.data
    jobs = [team.job(number) for number in numbers]
    built = [build(job) for job in jobs]
    draws = [_drawn(team, job) for job in jobs]
    recipe = jobs[0].recipe
    training = StackedTraining(
        [model for model, _ in built],
        data.x_train,
        data.y_train,
        recipe,
        draws=draws,
        seeds=[job.seed for job in jobs],
        device=team.device,
        hooks=hooks(jobs[0]),
        names=[f"member {number + 1}" for number in numbers],
    )
    owned = [team.own(job) for job in jobs]
    with report.stoppable() as stop, report.task(f"training {count(len(numbers), 'member')} at once", steps(owned[0])) as task:
        while not training.done:
            training.run_epoch(task, stop)
            if stop() and not training.done:
                return []
    training.finish()
    seconds = (time.perf_counter() - started) / len(numbers)
    trained = zip(numbers, owned, built, strict=True)
    return [finished(team, number, job, model, seconds, notes) for number, job, (model, notes) in trained]


def _drawn(team: Team, job: Job) -> torch.Tensor:
    drawn = team.drawn(job)
    return torch.arange(len(team.data.y_train)) if drawn is None else drawn
