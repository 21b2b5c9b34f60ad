"""One network trained from start to end, or from where it was stopped."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.attacks import load_attack
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.loader import channels_last
from dlcli.core.compute.rng import derive, preserved
from dlcli.core.data.base import ImageData, Split
from dlcli.core.data.splits import class_weights
from dlcli.core.layers.multi_clip import for_clips
from dlcli.core.model_io.checkpoint import load_weights, read_metadata, save_tensors, weights_sha256
from dlcli.core.model_io.untrained import open_model
from dlcli.core.model_io.warm_start import warm_started
from dlcli.core.models.base import Architecture
from dlcli.core.training.augment import augmentation
from dlcli.core.training.early_stopping import EarlyStopping
from dlcli.core.training.loop import Hooks, Training, resolve_dtype, resolve_threads
from dlcli.core.training.recipe import Recipe, steps_per_epoch
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import DlcliError, InputError, UsageError
from dlcli.support.reporter import Reporter

_TRAINING_WATCHED = 2000
"""How many training examples are evaluated after each epoch: all of a small set, and little time on a large one."""

_STEPS = 7
"""Steps of an attack that takes several, when it makes examples to train on (Madry et al. 2018, section 4, on CIFAR-10)."""

_USUAL: dict[str, tuple[float, dict[str, float]]] = {
    "sgd": (0.1, {"momentum": 0.9}),
    "adam": (1e-3, {}),
    "adamw": (1e-3, {}),
    "adadelta": (1.0, {}),
}
"""The learning rate and settings of an optimizer that is not the one the network's recipe was made with."""


@dataclass(frozen=True)
class Job:
    """What one training needs: the options, the data, the network, how to train it, and from which seed."""

    config: TrainConfig
    data: ImageData
    arch: Architecture
    recipe: Recipe
    device: torch.device
    seed: int


@dataclass(frozen=True)
class Epoch:
    """After an epoch: the mean loss of its steps, and accuracies and a mean cross-entropy in evaluation mode.

    `train_accuracy` is on the first of the training examples (`_TRAINING_WATCHED`), `accuracy` and `loss` are on the dev set,
    or on the test set if there is none.
    """

    train_loss: float
    train_accuracy: float
    accuracy: float
    loss: float


@dataclass(frozen=True)
class Fitted:
    """A trained network in evaluation mode, with what surgery said and how training went; `seconds` are of the wall clock.

    The weights are those of the epoch `best`, counted from 1: the last one, but for early stopping. `right` test examples are.
    """

    model: nn.Module
    surgery: tuple[str, ...]
    history: tuple[Epoch, ...]
    best: int
    seconds: float
    sha256: str
    right: int


def open_job(config: TrainConfig, data: ImageData, device: torch.device, seed: int) -> Job:
    """Open the network that `config` names and settle how to train it; raises what `open_model` raises."""
    arch = open_model(config.model, data)
    arch = arch if config.weights is None else warm_started(arch, config.weights, len(data.classes))
    return Job(config, data, arch, _recipe(config, arch.recipe), device, seed)


def _recipe(config: TrainConfig, recipe: Recipe) -> Recipe:
    if config.optimizer is not None and config.optimizer != recipe.optimizer:
        lr, options = _USUAL[config.optimizer]
        recipe = replace(recipe, optimizer=config.optimizer, lr=lr, options=options)
    names = ("epochs", "batch_size", "lr", "schedule", "label_smoothing", "clip_norm", "ema")
    given = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    return replace(recipe, dtype="float32" if config.precision == "float32" else recipe.dtype, **given)


def fit(job: Job, *, report: Reporter, label: str, keep: Path | None = None) -> Fitted | None:
    """Train; with `keep`, a file, save the state there after each epoch and go on from what it holds.

    None if told to stop: the state is then in `keep`. Raises what `Training.run_epoch` raises; the state of the last whole
    epoch is kept then. UsageError if `keep` holds the state of another training.
    """
    training, surgery = start_training(job)
    early = _early(job)
    history, before = _load(job, training, early, keep) if keep is not None and keep.exists() else ([], 0.0)
    started = time.perf_counter()
    total = job.recipe.epochs * len(training.losses)
    with report.stoppable() as stop, report.task(label, total) as task:
        task.advance(training.epoch * len(training.losses) + training.step)
        while not (training.done or early.due):
            parts = training.parts
            mean = training.run_epoch(task, stop)
            if training.parts > parts:
                most = f"a batch of {job.recipe.batch_size} {job.data.unit}s; steps are taken in {training.parts} parts"
                report.note(f"out of memory on {most}")
            if mean is not None:
                history.append(_watch(job, training, early, mean))
            if keep is not None:
                _save(job, training, early, keep, history, before + time.perf_counter() - started)
            if stop() and not (training.done or early.due):
                where = f"epoch {training.epoch + 1} of {job.recipe.epochs}, step {training.step} of {len(training.losses)}"
                report.note(f"stopped in {where}" + ("; continue with `resume`" if keep is not None else ""))
                return None
    training.finish()
    if early.weights:
        training.model.load_state_dict(early.weights)
    seconds = before + time.perf_counter() - started
    best = early.epoch or len(history)
    model = training.model
    right = int((predict_logits(model, job.data.x_test, device=job.device).argmax(1) == job.data.y_test).sum())
    return Fitted(model, surgery, tuple(history), best, seconds, weights_sha256(model), right)


def _early(job: Job) -> EarlyStopping:
    """As asked for; one that is never due and keeps no weights if nothing was."""
    if job.config.early_stop is None:
        return EarlyStopping("accuracy", job.recipe.epochs)
    if "dev" not in job.data.splits:
        hint = f"`dev=0.1` holds out a tenth of the training {job.data.unit}s"
        raise UsageError("`early_stop` needs a dev set, for the test set must not choose the epoch", hint=hint)
    return EarlyStopping(*job.config.early_stop)


def start_training(job: Job) -> tuple[Training, tuple[str, ...]]:
    """The training of `job` before its first step, and what surgery said."""
    model, notes = build(job)
    x, y = job.data.x_train, job.data.y_train
    return Training(model, x, y, job.recipe, seed=job.seed, device=job.device, hooks=hooks(job)), notes


def build(job: Job) -> tuple[nn.Module, tuple[str, ...]]:
    """The network with its initial weights, after surgery, and what that said."""
    with preserved():
        torch.manual_seed(derive(job.seed, "init"))
        model = job.arch.build()
        notes: tuple[str, ...] = ()
        if job.config.surgery:
            from dlcli.core.surgery import apply_surgery

            torch.manual_seed(derive(job.seed, "surgery"))
            model, notes = apply_surgery(model, job.config.surgery, job.data.sample(1))
    return for_clips(model, job.data.clips), notes


def preflight(job: Job) -> tuple[str, ...]:
    """What surgery will say; raises what `fit` would before its first step."""
    _early(job)
    hooks(job)
    return build(job)[1]


def hooks(job: Job) -> Hooks:
    """What is done to the batches before each step."""
    config, data = job.config, job.data
    weights = class_weights(data.y_train, len(data.classes)).to(job.device) if config.class_weights else None
    augment = augmentation(config.augment, data.size)
    return Hooks(augment=augment, examples=_adversarial_examples(config), class_weights=weights)


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


def _watch(job: Job, training: Training, early: EarlyStopping, train_loss: float) -> Epoch:
    """Evaluate, in float32, the weights that training would return if it ended here."""
    data, first = job.data, slice(_TRAINING_WATCHED)
    sets = (Split(data.x_train[first], data.y_train[first]), data.splits.get("dev", data.splits["test"]))
    with training.final_weights():
        (train, _), (watched, loss) = (_accuracy_and_loss(training.model, split, job.device) for split in sets)
        epoch = Epoch(train_loss, train, watched, loss)
        if job.config.early_stop is not None:
            early.see(training.epoch, getattr(epoch, early.metric), training.model.state_dict())
    return epoch


def _accuracy_and_loss(model: nn.Module, split: Split, device: torch.device) -> tuple[float, float]:
    """Accuracy and mean cross-entropy."""
    logits = predict_logits(model, split.x, device=device)
    return float((logits.argmax(1) == split.y).float().mean()), float(cross_entropy(logits, split.y))


def _save(job: Job, training: Training, early: EarlyStopping, keep: Path, history: Sequence[Epoch], seconds: float) -> None:
    facts = {
        "determined_by": describe(job),
        "history": [asdict(epoch) for epoch in history],
        "seconds": seconds,
        "early": [early.epoch, early.value if early.epoch else None, early.waited],
    }
    best = {f"best.{name}": weight.cpu().contiguous() for name, weight in early.weights.items()}
    save_tensors(keep, training.state() | best, {"training": json.dumps(facts)})


def _load(job: Job, training: Training, early: EarlyStopping, keep: Path) -> tuple[list[Epoch], float]:
    try:
        facts = json.loads(read_metadata(keep)["training"])
    except DlcliError:
        raise
    except (KeyError, ValueError):
        raise InputError(f"{keep}: not the state of a training", hint="choose another `output`") from None
    now = describe(job)
    other = [name for name in now if facts["determined_by"].get(name) != now[name]]
    if other:
        hint = "use the options it was started with, or choose another `output`"
        raise UsageError(f"`resume`: {keep.parent} was started with other {', '.join(other)}", hint=hint)
    state = load_weights(keep)
    try:
        training.load(state)
    except (KeyError, RuntimeError):
        raise InputError(f"{keep}: the state is not of this network", hint="choose another `output`") from None
    early.weights = {name.removeprefix("best."): weight for name, weight in state.items() if name.startswith("best.")}
    if early.weights:
        early.epoch, early.value, early.waited = facts["early"]
    return [Epoch(**epoch) for epoch in facts["history"]], facts["seconds"]


def describe(job: Job) -> dict[str, object]:
    """Everything that determines the weights, in the terms of JSON."""
    facts = {
        "data": job.data.fingerprint,
        "model": [job.arch.name, job.arch.source_sha256],
        "surgery": list(job.config.surgery),
        "recipe": asdict(job.recipe),
        "early stopping": job.config.early_stop,
        "adversarial examples": job.config.adversarial,
        "augmentation": [*job.config.augment, job.config.class_weights],
        "seed": job.seed,
        "device": [job.device.type, str(resolve_dtype(job.recipe, job.device)), resolve_threads(job.recipe)],
        "torch": torch.__version__,
    }
    found: dict[str, object] = json.loads(json.dumps(facts))
    return found


def steps(job: Job) -> int:
    """How many steps the whole training takes."""
    return job.recipe.epochs * steps_per_epoch(len(job.data.x_train), job.recipe.batch_size)
