"""One network trained from start to end, or from where it was stopped."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.compute.device import device_key
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.loader import channels_last
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import ImageData, Split
from dlcli.core.data.preparation import Preparation
from dlcli.core.data.scores import score_levels
from dlcli.core.data.splits import class_weights
from dlcli.core.layers.multi_clip import for_clips
from dlcli.core.model_io.checkpoint import load_state, save_state, weights_sha256
from dlcli.core.model_io.input_shape import preparation_for
from dlcli.core.model_io.untrained import open_model
from dlcli.core.model_io.warm_start import warm_started
from dlcli.core.models.base import Architecture, normalised_architecture
from dlcli.core.models.hubs import resolve_weights
from dlcli.core.objectives.base import ScoreObjective
from dlcli.core.tasks import image_task
from dlcli.core.tasks.base import Epoch, ImageTask, Watched
from dlcli.core.training.augment import augmentation
from dlcli.core.training.balance import balanced
from dlcli.core.training.early_stopping import EarlyStopping
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.core.training.mixing import Mixing
from dlcli.core.training.parameter_groups import freeze, parameter_groups
from dlcli.core.training.recipe import Recipe, resolve_dtype, resolve_threads, steps_per_epoch
from dlcli.engines.other_options import other_options
from dlcli.engines.train.epoch_log import log_epochs
from dlcli.engines.train.recipe_options import resolve_recipe
from dlcli.specs.arms import one
from dlcli.specs.parse import show_adversarial, show_early_stop, show_number
from dlcli.specs.schedule import parse_schedule
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.schema import Check, list_of, mapping_of, number, optional, real, record
from dlcli.support.seeds import derive

OTHER = "choose another `output`"
_TRAINING_EXAMPLES = 2000
"""How many training examples are evaluated after each epoch: all of a small set, and little time on a large one."""

_OF_OPTIMIZER = ("lr", "momentum", "other settings of the optimizer")
_OF_NETWORK = ("epochs", "batch_size", "optimizer", "schedule", "warmup", "weight_decay", "label_smoothing", "clip_norm", "ema")
FOLLOW = {
    "model": ("source code of the network", *_OF_NETWORK, *_OF_OPTIMIZER),
    "optimizer": _OF_OPTIMIZER,
    "precision": ("number format",),
    "device": ("number format", "number of threads"),
}
"""What else may differ in the facts of `describe` where one does: the defaults are a network's or an optimizer's own."""
_STEPS = 7
"""Steps of an attack that takes several, when it makes examples to train on (Madry et al. 2018, section 4, on CIFAR-10)."""


@dataclass(frozen=True)
class Job:
    """What one training needs: the options, the data, the network, how to train it, and from which seed.

    `objective` is the loss of scores; None for cross-entropy. The classes of `data` are the outputs that it needs.
    """

    config: TrainConfig
    data: ImageData
    arch: Architecture
    recipe: Recipe
    device: torch.device
    seed: int
    objective: ScoreObjective | None = None

    @property
    def task(self) -> ImageTask:
        """What is learned."""
        return image_task(self.config.task)


@dataclass(frozen=True)
class Fitted:
    """A trained network in evaluation mode, the notes of surgery, and how training went.

    Attributes:
        model: Has the weights of `best_epoch`.
        surgery: The notes of surgery, empty without it.
        history: One entry per epoch.
        best_epoch: Counted from 1; the last one unless early stopping chose another.
        seconds: Wall-clock time of training, without that of interruptions.
        sha256: Digest of the weights.
        predicted: What it predicts for the test examples, (n,): indices of classes, or scores.
        objective: That of the job, calibrated on the training examples.
    """

    model: nn.Module
    surgery: tuple[str, ...]
    history: tuple[Epoch, ...]
    best_epoch: int
    seconds: float
    sha256: str
    predicted: NDArray[Any]
    objective: ScoreObjective | None = None


def preparation_of(config: TrainConfig, report: Reporter = SILENT) -> Preparation | None:
    """How the images are resized and cropped, where the network of `config` was published with a way; None elsewhere."""
    return preparation_for(resolve_weights(config.model, config.weights).spec, config.size, report)


def open_job(config: TrainConfig, data: ImageData, device: torch.device, seed: int) -> Job:
    """Open the network that `config` names and resolve how to train it.

    Args:
        config: Its model, weights and the settings that replace those of the network's own recipe.
        data: What is trained and tested on, already split.
        device: Where to train.
        seed: That of the initial weights, the order of examples and everything random.

    Raises:
        UsageError: If there is no such network, or an option does not apply to it.
        InputError: If the network or its weights do not fit the data.
    """
    objective = image_task(config.task).objective(data, loss=one(config.loss), huber_delta=one(config.huber_delta))
    data = image_task(config.task).with_outputs(data, objective)
    spec, weights, pretrained = resolve_weights(config.model, config.weights)
    arch = open_model(spec, data, pretrained=pretrained)
    if weights is not None:
        arch = warm_started(arch, weights, len(data.classes), config.normalise, config.weights_key, channels=data.channels)
    arch = normalised_architecture(arch, config.normalise, data.channels)
    return Job(config, data, arch, resolve_recipe(config, arch.recipe, len(data.x_train)), device, seed, objective)


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
    training, surgery = start_training(job)
    early = _early(job)
    history, before = _load(job, training, early, keep) if keep is not None and keep.exists() else ([], 0.0)
    started, per_epoch = time.perf_counter(), len(training.losses)
    log_epochs(report, run, job.task, job.data, job.recipe, history, steps=per_epoch)
    total = job.recipe.epochs * per_epoch
    with report.stoppable() as stop, report.task(label, total) as task:
        task.advance(training.epoch * per_epoch + training.step)
        while not (training.done or early.due):
            parts = training.gradients.parts
            mean = training.run_epoch(task, stop)
            if training.gradients.parts > parts:
                most = (
                    f"a batch of {job.recipe.batch_size} {job.data.unit}s; steps are taken in {training.gradients.parts} parts"
                )
                report.note(f"out of memory on {most}")
            if mean is not None:
                history.append(_evaluate_epoch(job, training, early, mean))
                if training.plateau is not None:
                    training.plateau.see(history[-1].loss)
                log_epochs(report, run, job.task, job.data, job.recipe, history, steps=per_epoch, first=len(history) - 1)
            if keep is not None:
                _save(job, training, early, keep, history, before + time.perf_counter() - started)
            if stop() and not (training.done or early.due):
                where = f"epoch {training.epoch + 1} of {job.recipe.epochs}, step {training.step} of {per_epoch}"
                report.note(f"stopped in {where}" + ("; continue with `resume`" if keep is not None else ""))
                return None
    training.finish(report)
    if early.weights:
        training.model.load_state_dict(early.weights)
    seconds = before + time.perf_counter() - started
    best_epoch = early.epoch or len(history)
    model = training.model
    found = Fitted(model, surgery, tuple(history), best_epoch, seconds, weights_sha256(model), np.empty(0))
    found = with_predictions(job, found)
    report.log(run, best_epoch, job.task.final_figures(found.predicted, job.data.y_test.numpy()), final=True)
    return found


def with_predictions(job: Job, fitted: Fitted) -> Fitted:
    """A trained network with its calibrated objective, and what it predicts for the test examples."""
    objective = job.objective
    if objective is not None:
        first = slice(_TRAINING_EXAMPLES)
        outputs = predict_logits(fitted.model, job.data.x_train[first], device=job.device)
        objective = objective.calibrated(outputs, job.data.y_train[first])
    outputs = predict_logits(fitted.model, job.data.x_test, device=job.device)
    return replace(fitted, predicted=job.task.predict(outputs, objective), objective=objective)


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
    return min(len(job.data.y_train), _TRAINING_EXAMPLES)


class Started(NamedTuple):
    """A training before its first step, and the notes of surgery."""

    training: Training
    notes: tuple[str, ...]


def start_training(job: Job) -> Started:
    """Build the network of `job` and everything that its first step needs."""
    model, notes = build(job)
    x, y = job.data.x_train, job.data.y_train
    training = Training(model, x, y, job.recipe, seed=job.seed, device=job.device, hooks=hooks(job), objective=job.objective)
    return Started(training, notes)


class BuiltNetwork(NamedTuple):
    """A network with its initial weights, after surgery, and the notes of surgery."""

    model: nn.Module
    notes: tuple[str, ...]


def build(job: Job) -> BuiltNetwork:
    """Build the network of `job`; initial weights depend on the seed only, not on what was drawn before."""
    with preserved():
        torch.manual_seed(derive(job.seed, "init"))
        model = job.arch.build()
        notes: tuple[str, ...] = ()
        if job.config.surgery:
            from dlcli.core.surgery import apply_surgery

            torch.manual_seed(derive(job.seed, "surgery"))
            model, notes = apply_surgery(model, job.config.surgery, job.data.sample(1))
    return BuiltNetwork(for_clips(model, job.data.clips), notes)


def preflight(job: Job) -> tuple[str, ...]:
    """The notes of surgery; raises what `fit` would before its first step."""
    _early(job)
    hooks(job)
    built = build(job)
    freeze(built.model, job.recipe.freeze)
    parameter_groups(built.model, job.recipe)
    return built.notes


def hooks(job: Job) -> Hooks:
    """What is done to the batches before each step."""
    config, data = job.config, job.data
    weights = class_weights(data.y_train, len(data.classes)).to(job.device) if config.class_weights else None
    augment = augmentation(config.augment, data.size)
    alphas = one(config.mixup) or 0.0, one(config.cutmix) or 0.0
    mixing = Mixing(*alphas, len(data.classes)) if any(alphas) else None
    return Hooks(
        augment=augment,
        examples=_adversarial_examples(config),
        class_weights=weights,
        mixing=mixing,
        sampling=balanced(score_levels(data.y_train.numpy())) if config.balance else None,
    )


def _adversarial_examples(config: TrainConfig) -> Callable[[nn.Module, Tensor, Tensor, int, int], Tensor] | None:
    if config.adversarial is None:
        return None
    method, eps, share = config.adversarial
    attack = load_attack(method)
    if hasattr(attack, "steps"):
        attack = attack.with_options(steps=_STEPS)

    def examples(model: nn.Module, x: Tensor, y: Tensor, seed: int, most: int) -> Tensor:
        changed = round(share * len(x))
        adversarial = attack(model, x[:changed], y[:changed], eps=eps, full=True, batch_size=most, seed=seed)
        return channels_last(torch.cat([adversarial, x[changed:]]))

    return examples


def _evaluate_epoch(job: Job, training: Training, early: EarlyStopping, train_loss: float) -> Epoch:
    """Evaluate, in float32, the weights that training would return if it ended here."""
    data, first = job.data, slice(_TRAINING_EXAMPLES)
    sets = (Split(data.x_train[first], data.y_train[first]), data.splits.get("dev", data.splits["test"]))
    with training.final_weights():
        (train, _), (watched, loss) = (_watch(job, training.model, split) for split in sets)
        epoch = Epoch(train_loss, train, watched, loss)
        if job.config.early_stop is not None:
            named = epoch.named(job.task.figure)
            early.see(training.epoch, named[early.metric], training.model.state_dict())
    return epoch


def _watch(job: Job, model: nn.Module, split: Split) -> Watched:
    return job.task.watch(predict_logits(model, split.x, device=job.device), split.y, job.objective)


def _save(job: Job, training: Training, early: EarlyStopping, keep: Path, history: Sequence[Epoch], seconds: float) -> None:
    facts = {
        "determined_by": describe(job),
        "history": [epoch.named(job.task.figure) for epoch in history],
        "seconds": seconds,
        "early": [early.epoch, early.value if early.epoch else None, early.waited],
    }
    best = {f"best.{name}": weight.cpu().contiguous() for name, weight in early.weights.items()}
    save_state(keep, training.state() | best, facts)


def _load(job: Job, training: Training, early: EarlyStopping, keep: Path) -> tuple[list[Epoch], float]:
    state, facts = load_state(keep, OTHER)
    needed = {
        "determined_by": mapping_of(lambda value: ""),
        "history": list_of(epoch_schema(job.task)),
        "seconds": number(0),
        "early": list_of(optional(real()), least=3, most=3),
    }
    check_metadata(facts if isinstance(facts, dict) else {}, keep, needed, hint=OTHER)
    check_same(facts["determined_by"], describe(job), job.config, keep.parent)
    try:
        training.load(state)
    except (KeyError, RuntimeError):
        raise InputError(f"{keep}: the state is not of this network", hint=OTHER) from None
    early.weights = {name.removeprefix("best."): weight for name, weight in state.items() if name.startswith("best.")}
    if early.weights:
        early.epoch, early.value, early.waited = facts["early"]
    return [Epoch.from_named(epoch, job.task.figure) for epoch in facts["history"]], facts["seconds"]


def epoch_schema(task: ImageTask) -> Check:
    """What is recorded of an epoch."""
    return record(dict.fromkeys(Epoch(0.0, 0.0, 0.0, 0.0).named(task.figure), real()))


def check_same(before: Mapping[str, object], now: Mapping[str, object], config: object, folder: Path) -> None:
    """Refuse to resume a training that was determined by other things.

    Args:
        before: What `describe` gave for the training in `folder`.
        now: What it gives for the one that would resume it.
        config: Configuration of the command.
        folder: The run directory.

    Raises:
        UsageError: Naming what differs.
    """
    other = other_options(before, now, config, FOLLOW)
    if other:
        hint = "use the options it was started with, or choose another `output`"
        raise UsageError(f"`resume`: {folder} was started with {other}", hint=hint)


def describe(job: Job) -> dict[str, object]:
    """Everything that determines the weights, in the terms of JSON: options by their fields as typed, other facts in words."""
    config, recipe = job.config, asdict(job.recipe)
    settings, rates, dtype = (recipe.pop(name) for name in ("options", "rates", "dtype"))
    del recipe["threads"]  # the number that is used counts
    facts = recipe | {
        "momentum": settings.pop("momentum", None),
        "other settings of the optimizer": settings,
        "lr_for": [f"{start}={show_number(rate)}" for start, rate in rates],
        "precision": "auto" if dtype == "fast" else dtype,
        "data": job.data.fingerprint,
        "model": job.arch.name,
        "source code of the network": job.arch.source_sha256,
        "surgery": config.surgery,
        "early_stop": config.early_stop and show_early_stop(config.early_stop),
        "adversarial": config.adversarial and show_adversarial(config.adversarial),
        "augment": config.augment,
        "class_weights": config.class_weights,
        "mixup": config.mixup,
        "cutmix": config.cutmix,
        "seed": job.seed,
        "device": device_key(job.device),
        "number format": str(resolve_dtype(job.recipe, job.device)),
        "number of threads": resolve_threads(job.recipe),
        "version of torch": torch.__version__,
    }
    if job.objective is not None:
        facts |= {"task": config.task, "loss": job.objective.to_json(), "balance": config.balance}
    found: dict[str, object] = json.loads(json.dumps(facts))
    return found


def steps(job: Job) -> int:
    """How many steps the whole training takes."""
    return job.recipe.epochs * steps_per_epoch(len(job.data.x_train), job.recipe.batch_size)
