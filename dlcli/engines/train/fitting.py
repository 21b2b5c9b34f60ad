"""A network trained from start to end, or from where it was stopped."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dlcli.core.compute.ranks import current_ranks
from dlcli.core.data.base import Split
from dlcli.core.data.groups import groups_of
from dlcli.core.model_io.checkpoint import load_state, save_state, weights_sha256
from dlcli.core.objectives.base import TaskObjective
from dlcli.core.tasks.base import Epoch, ImageTask, Watched
from dlcli.core.training.distributed import distribution_notes
from dlcli.core.training.early_stopping import EarlyStopping
from dlcli.core.training.loop import Training
from dlcli.core.training.parameter_groups import freeze, parameter_groups
from dlcli.engines.train import pretrain as pretraining
from dlcli.engines.train import semi
from dlcli.engines.train.epoch_log import log_epochs
from dlcli.engines.train.gradient_probes import check_probed, probe_if_due
from dlcli.engines.train.job import OTHER, BuiltNetwork, Job, build, check_same, check_task, describe, hooks, targets
from dlcli.engines.train.one_epoch import run_epoch
from dlcli.engines.train.pretrained_facts import PretrainedFacts, read_facts
from dlcli.engines.train.pseudo_labels import PseudoLabels, pseudo_schema
from dlcli.engines.train.stopwatch import NONE_SPENT, Spent, Stopwatch
from dlcli.specs.gradient_probe import GradientProbe, probe_schema
from dlcli.specs.pretraining import NO_PRETRAINING
from dlcli.specs.schedule import parse_schedule
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.reporter import Reporter
from dlcli.support.schema import Check, list_of, mapping_of, number, optional, real, record


@dataclass(frozen=True)
class Fitted:
    """A trained network in evaluation mode, the notes of surgery, and how training went.

    Attributes:
        model: Has the weights of `best_epoch`.
        surgery: The notes of pre-training and surgery, empty without them.
        history: One entry per epoch.
        best_epoch: Counted from 1; the last one unless early stopping chose another.
        seconds: Wall-clock time of training, without that of interruptions.
        cpu_seconds: The same of the processor; None where it was not recorded.
        sha256: Digest of the weights.
        predicted: What it predicts for the test examples, (n, ...), as the task has it.
        objective: That of the job, calibrated on the training examples.
        pseudo: The pseudo-labels after each epoch; empty where there are none, or their labels are not known.
        networks: Those that a semi-supervised method trained beside it; None without any.
        pretrained: What is known of its pre-training; None without.
        probes: What gradients looked like on the way; empty without `probe`.
    """

    model: nn.Module
    surgery: tuple[str, ...]
    history: tuple[Epoch, ...]
    best_epoch: int
    seconds: float
    sha256: str
    predicted: NDArray[Any]
    objective: TaskObjective | None = None
    cpu_seconds: float | None = None
    pseudo: tuple[PseudoLabels, ...] = ()
    networks: nn.Module | None = None
    pretrained: PretrainedFacts | None = None
    probes: tuple[GradientProbe, ...] = ()


def fit(job: Job, *, report: Reporter, label: str, run: str = "", keep: Path | None = None) -> Fitted | None:
    """Train a network to the end.

    Args:
        job: What to train.
        report: Receives the progress, and decides whether to stop.
        label: Name of the task in the progress display.
        run: Name of the training in logs.
        keep: A file for the state, written after each epoch; if it exists, training continues from it, bit for bit.

    Returns:
        The trained network, or None if it was interrupted: the state is then in `keep`.

    Raises:
        UsageError: If `keep` holds the state of another training.
        NumericError: If the loss is not finite; `keep` has the state after the last whole epoch.
        ResourceError: If not even one example fits in memory.
    """
    kept = current_ranks().of_first(lambda: keep is not None and keep.exists())
    if job.config.pretrain == NO_PRETRAINING:
        if keep is not None and not kept:
            pretraining.check_not_begun(job, keep.with_name(pretraining.STATE))
        return _fit(job, None, NONE_SPENT, report=report, label=label, run=run, keep=keep)
    if kept and keep is not None:
        model, facts = None, read_facts(keep.parent, len(job.data.x_test))
    else:
        state = None if keep is None else keep.with_name(pretraining.STATE)
        found = pretraining.pretrain(job, report, label=f"pre-{label}", keep=state)
        if found is None:
            return None
        model, facts = pretraining.grown(job, found.model).model, found.facts
    spent = NONE_SPENT if facts is None else facts.spent
    fitted = _fit(job, model, spent, report=report, label=label, run=run, keep=keep)
    return fitted and replace(fitted, pretrained=facts)


def _fit(
    job: Job, model: nn.Module | None, spent: Spent, *, report: Reporter, label: str, run: str, keep: Path | None
) -> Fitted | None:
    """`fit`, of a network that is pre-trained if it has to be, which took `spent`."""
    check_probed(job)
    training, surgery = start_training(job, model)
    early = _early(job)
    ranks = current_ranks()
    kept = ranks.of_first(lambda: keep is not None and keep.exists())
    known = _load(job, training, early, keep) if kept and keep is not None else Progress([], [], spent, [])
    history, pseudo, before, probes = known
    watch, per_epoch = Stopwatch(), len(training.losses)
    log_epochs(report, run, job.task, job.data, job.recipe, history, steps=per_epoch)
    total = job.recipe.epochs * per_epoch
    with report.stoppable() as asked, report.task(label, total) as task:
        stop = ranks.agreed(asked)
        task.advance(training.epoch * per_epoch + training.step)
        probe_if_due(job, training, probes)
        while not (training.done or early.due):
            mean = run_epoch(training, task, stop, report, unit=job.data.unit)
            if mean is not None:
                history.append(_evaluate_epoch(job, training, early, mean, pseudo))
                if training.plateau is not None:
                    training.plateau.see(history[-1].loss)
                log_epochs(report, run, job.task, job.data, job.recipe, history, steps=per_epoch, first=len(history) - 1)
                probe_if_due(job, training, probes)
            if keep is not None:
                _save(job, training, early, keep, Progress(history, pseudo, before.plus(watch.spent), probes))
            if stop() and not (training.done or early.due):
                where = f"epoch {training.epoch + 1} of {job.recipe.epochs}, step {training.step} of {per_epoch}"
                report.note(f"stopped in {where}" + ("; continue with `resume`" if keep is not None else ""))
                return None
    training.finish(report)
    if early.weights:
        training.model.load_state_dict(early.weights)
    seconds, cpu_seconds = before.plus(watch.spent)
    best_epoch = early.epoch or len(history)
    model = training.model
    found = Fitted(model, surgery, tuple(history), best_epoch, seconds, weights_sha256(model), np.empty(0))
    found = replace(
        found, cpu_seconds=cpu_seconds, pseudo=tuple(pseudo), networks=semi.networks_of(training), probes=tuple(probes)
    )
    found = with_predictions(job, found)
    report.log(run, best_epoch, final_figures(job, found.predicted), final=True)
    return found


def final_figures(job: Job, predicted: NDArray[Any]) -> Mapping[str, float]:
    """The figures of a finished network, which predicts `predicted` (n,) for the test set, for logs."""
    group = groups_of(job.data.splits["test"].metadata, job.group, job.data.name)
    return job.task.final_figures(predicted, job.data.y_test.numpy(), group)


def with_predictions(job: Job, fitted: Fitted) -> Fitted:
    """A trained network with its calibrated objective, and what it predicts for the test examples."""
    objective = job.task.calibrated(job.objective, fitted.model, _first_of_training(job), job.device)
    predicted = job.task.predicted(fitted.model, job.data.splits["test"], objective, job.device)
    return replace(fitted, predicted=predicted, objective=objective)


def _early(job: Job) -> EarlyStopping:
    """The early stopping of `early_stop`; without that option, one that never stops and keeps no weights."""
    chooses = {"early_stop": "epoch"} if job.config.early_stop else {}
    chooses |= {"schedule=plateau": "learning rate"} if parse_schedule(job.recipe.schedule).name == "plateau" else {}
    if chooses and "dev" not in job.data.splits:
        hint = f"`dev=0.1` holds out a tenth of the training {job.data.unit}s"
        option, what = next(iter(chooses.items()))
        raise UsageError(f"`{option}` needs a dev set, for the test set must not choose the {what}", hint=hint)
    if job.config.early_stop is None:
        return EarlyStopping(job.task.figure, job.recipe.epochs)
    return EarlyStopping(*job.config.early_stop)


def n_watched(job: Job) -> int:
    """The number of training examples that are evaluated after each epoch."""
    return min(len(job.data.y_train), job.task.watched_examples)


class Started(NamedTuple):
    """A training before its first step, and the notes of surgery."""

    training: Training
    notes: tuple[str, ...]


def start_training(job: Job, model: nn.Module | None = None) -> Started:
    """Build the network of `job`, unless its `model` is pre-trained, and everything that its first step needs."""
    built = build_grown(job)
    model, notes = built.model if model is None else model, built.notes
    training = semi.start(job, model, hooks(job))
    return Started(training, (*notes, *semi.semi_notes(job), *distribution_notes(training.model, current_ranks())))


def build_grown(job: Job) -> BuiltNetwork:
    """The network as it is when the training itself begins, with its initial weights if it is not pre-trained."""
    built = build(job)
    if job.config.pretrain == NO_PRETRAINING:
        return built
    after = pretraining.grown(job, built.model)
    return BuiltNetwork(after.model, (*built.notes, pretraining.pretraining_note(job), *after.notes))


def preflight(job: Job) -> tuple[str, ...]:
    """The notes of surgery; raises what `fit` would before its first step."""
    _early(job)
    hooks(job)
    pretraining.check_pretraining(job)
    semi.check_images(job)
    check_probed(job)
    built = build_grown(job)
    freeze(built.model, job.recipe.freeze)
    parameter_groups(built.model, job.recipe)
    return (*built.notes, *semi.semi_notes(job))


def _evaluate_epoch(job: Job, training: Training, early: EarlyStopping, train_loss: float, pseudo: list[PseudoLabels]) -> Epoch:
    """Evaluate, in float32, the weights that training would return if it ended here; adds to `pseudo` where there are any."""
    sets = (_first_of_training(job), job.data.splits.get("dev", job.data.splits["test"]))
    with training.final_weights():
        (train, _), (watched, loss) = (_watch(job, training.model, split) for split in sets)
        # The same on all ranks, whose machines may round differently: it decides when to stop.
        epoch = current_ranks().of_first(lambda: Epoch(train_loss, train, watched, loss))
        measured = semi.measure_pseudo_labels(job, training.model)
        pseudo += [] if measured is None else [measured]
        if job.config.early_stop is not None:
            named = epoch.named(job.task.figure)
            early.see(training.epoch, named[early.metric], training.model.state_dict())
    return epoch


def _first_of_training(job: Job) -> Split:
    data, first = job.data, slice(job.task.watched_examples)
    known = {name: column[first] for name, column in data.metadata.get("train", {}).items()}
    return Split(data.x_train[first], data.y_train[first], known)


def _watch(job: Job, model: nn.Module, split: Split) -> Watched:
    return job.task.watched(model, split, job.objective, targets(job, split), job.device)


class Progress(NamedTuple):
    """What is known of the epochs that are done."""

    history: list[Epoch]
    pseudo: list[PseudoLabels]
    spent: Spent
    probes: list[GradientProbe]


def _save(job: Job, training: Training, early: EarlyStopping, keep: Path, progress: Progress) -> None:
    state = training.state()
    if not current_ranks().first:
        return
    facts = {
        "determined_by": describe(job),
        "history": [epoch.named(job.task.figure) for epoch in progress.history],
        **progress.spent._asdict(),
        "early": [early.epoch, early.value if early.epoch else None, early.waited],
        **({"pseudo": [one._asdict() for one in progress.pseudo]} if progress.pseudo else {}),
        **({"probes": [one._asdict() for one in progress.probes]} if progress.probes else {}),
    }
    best = {f"best.{name}": weight.cpu().contiguous() for name, weight in early.weights.items()}
    save_state(keep, state | best, facts)


def _load(job: Job, training: Training, early: EarlyStopping, keep: Path) -> Progress:
    state, facts = current_ranks().of_first(lambda: load_state(keep, OTHER))
    check_task(facts, job.task.name, keep.parent)
    check_metadata(facts if isinstance(facts, dict) else {}, keep, _state_schema(job.task), _MORE, hint=OTHER)
    check_same(facts["determined_by"], describe(job), job.config, keep.parent)
    try:
        training.load(state)
    except (KeyError, RuntimeError):
        raise InputError(f"{keep}: the state is not of this network", hint=OTHER) from None
    early.weights = {name.removeprefix("best."): weight for name, weight in state.items() if name.startswith("best.")}
    if early.weights:
        early.epoch, early.value, early.waited = facts["early"]
    return Progress(
        [Epoch.from_named(epoch, job.task.figure) for epoch in facts["history"]],
        [PseudoLabels(**one) for one in facts.get("pseudo", ())],
        Spent(facts["seconds"], facts.get("cpu_seconds")),
        [GradientProbe(**one) for one in facts.get("probes", ())],
    )


_MORE = {"cpu_seconds": optional(number(0)), "pseudo": list_of(pseudo_schema()), "probes": list_of(probe_schema())}
"""What a state may hold beside what it must."""


def _state_schema(task: ImageTask) -> Mapping[str, Check]:
    return {
        "determined_by": mapping_of(lambda value: ""),
        "history": list_of(epoch_schema(task)),
        "seconds": number(0),
        "early": list_of(optional(real()), least=3, most=3),
    }


def epoch_schema(task: ImageTask) -> Check:
    """What is recorded of an epoch."""
    return record(dict.fromkeys(Epoch(0.0, 0.0, 0.0, 0.0).named(task.figure), real()))
