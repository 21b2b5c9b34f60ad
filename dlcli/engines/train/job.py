"""What one training needs, and everything that determines its weights."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.compute.device import device_key
from dlcli.core.compute.loader import channels_last
from dlcli.core.compute.ranks import current_ranks
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import MASK, ImageData, Split
from dlcli.core.data.preparation import Preparation
from dlcli.core.data.scores import score_levels
from dlcli.core.data.splits import class_weights
from dlcli.core.data.unlabelled_images import UnlabelledImages
from dlcli.core.evaluation.dense_alignment import aligned
from dlcli.core.graph.output_ops import ends_in_relu
from dlcli.core.layers.multi_clip import for_clips
from dlcli.core.model_io.body import WEIGHTS
from dlcli.core.model_io.input_shape import preparation_for
from dlcli.core.model_io.untrained import open_model
from dlcli.core.model_io.warm_start import warm_started
from dlcli.core.models.base import Architecture, normalised_architecture
from dlcli.core.models.hubs import resolve_weights
from dlcli.core.objectives.base import Standardised, TaskObjective
from dlcli.core.tasks import task_for
from dlcli.core.tasks.base import ImageTask
from dlcli.core.training.balance import balanced
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.mixing import Mixing
from dlcli.core.training.recipe import Recipe, resolve_dtype, resolve_threads
from dlcli.engines.other_options import other_options
from dlcli.engines.train.recipe_options import resolve_recipe
from dlcli.specs.arms import one
from dlcli.specs.parse import show_adversarial, show_early_stop, show_number
from dlcli.specs.pretraining import NO_PRETRAINING
from dlcli.specs.semi_supervised import OF_SEMI, semi_chosen, show_temperature
from dlcli.specs.train import IMAGES, TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive

OTHER = "choose another `output`"

_OF_OPTIMIZER = ("lr", "momentum", "other settings of the optimizer")
_OF_NETWORK = ("epochs", "batch_size", "optimizer", "schedule", "warmup", "weight_decay", "label_smoothing", "clip_norm", "ema")
FOLLOW = {
    "model": ("source code of the network", *_OF_NETWORK, *_OF_OPTIMIZER),
    "optimizer": _OF_OPTIMIZER,
    "precision": ("number format",),
    "loss": ("huber_delta", "statistics of the scores"),
    "data": ("statistics of the scores",),
    "device": ("number format", "number of threads"),
}
"""What else may differ in the facts of `describe` where one does: the defaults are a network's or an optimizer's own."""
_STEPS = 7
"""Steps of an attack that takes several, when it makes examples to train on (Madry et al. 2018, section 4, on CIFAR-10)."""


@dataclass(frozen=True)
class Job:
    """What one training needs: the options, the data, the network, how to train it, and from which seed.

    `objective` is the loss; None for cross-entropy of classes. The classes of `data` are the outputs that it needs.
    `unlabelled` are images that training takes beside the training set, and `hidden` examples among these whose labels are
    known, which only tell how good pseudo-labels are. `labels_seed` is that of the draw of labels. `held_out`: the dev set is a
    part of the training set that can be drawn again.
    """

    config: TrainConfig
    data: ImageData
    arch: Architecture
    recipe: Recipe
    device: torch.device
    seed: int
    objective: TaskObjective | None = None
    unlabelled: UnlabelledImages | None = None
    hidden: Split | None = None
    labels_seed: int | None = None
    held_out: bool = False

    @property
    def task(self) -> ImageTask:
        """What is learned."""
        return task_for(self.config)

    @property
    def group(self) -> str | None:
        """The metadata column of examples that belong together."""
        return self.task.group_column(self.data, self.config)


def preparation_of(config: TrainConfig, report: Reporter = SILENT) -> Preparation | None:
    """How the images are resized and cropped, where the network of `config` was published with a way; None elsewhere."""
    if task_for(config).target == MASK:  # pictures of any size
        return None
    return preparation_for(resolve_weights(config.model, config.weights).spec, config.size, report)


def open_job(config: TrainConfig, data: ImageData, device: torch.device, seed: int, unlabelled: int = 0) -> Job:
    """Open the network that `config` names and resolve how to train it.

    Args:
        config: Its model, weights and the settings that replace those of the network's own recipe.
        data: What is trained and tested on, already split.
        device: Where to train.
        seed: That of the initial weights, the order of examples and everything random.
        unlabelled: How many images without labels there are.

    Raises:
        UsageError: If there is no such network, or an option does not apply to it.
        InputError: If the network or its weights do not fit the data.
    """
    task = task_for(config)
    objective = task.objective(data, config)
    data = task.with_outputs(data, objective)
    spec, weights, pretrained = resolve_weights(config.model, config.weights)
    arch = open_model(spec, data, pretrained=pretrained)
    if weights is not None:
        weights = weights / WEIGHTS if weights.is_dir() else weights
        arch = warm_started(arch, weights, len(data.classes), config.normalise, config.weights_key, channels=data.channels)
    arch = normalised_architecture(arch, task_for(config).normalise(data, config.normalise), data.channels)
    _check_range(arch, data, objective)
    recipe = resolve_recipe(config, arch.recipe, len(data.x_train), unlabelled)
    return Job(config, data, arch, recipe, device, seed, objective)


def targets(job: Job, split: Split) -> Tensor:
    """What the loss takes for the examples of a set: labels, scores, or the distribution of votes, (n, ...)."""
    return job.task.targets(split, job.objective, job.config, job.data.name)


def _check_range(arch: Architecture, data: ImageData, objective: TaskObjective | None) -> None:
    """Refuse a network whose output is never below 0, for scores that are standardised: half of them are below their mean."""
    if not isinstance(objective, Standardised) or data.frames is not None:
        return
    with preserved():
        relu = ends_in_relu(arch.build(), data.sample(1))
    if relu:
        message = f"{arch.name} ends in a ReLU, so that it cannot predict scores below their mean"
        raise UsageError(message, hint="choose another `model`, or for integer scores `loss=ce`")


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
        model = aligned(model, job.data.sample(1))
    return BuiltNetwork(for_clips(model, job.data.clips), notes)


def hooks(job: Job) -> Hooks:
    """What is done to the batches before each step."""
    config, data = job.config, job.data
    weighted = config.class_weights and job.objective is None
    weights = class_weights(data.y_train, len(data.classes)).to(job.device) if weighted else None
    augment = job.task.augmentation(data, config)
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


def check_trained_alike(there: Mapping[str, object], here: Mapping[str, object]) -> None:
    """Raise InputError if a network was trained elsewhere by other things than what determines it here.

    Args:
        there: What `describe` gave in the process that trained it.
        here: What it gives in this one.
    """
    other = other_options(there, here, TrainConfig, FOLLOW)
    if other:
        hint = "each node has to read the same data and code, which must not change during the run"
        raise InputError(f"a network was trained elsewhere with {other}", hint=hint)


def check_task(facts: object, task: str, folder: Path) -> None:
    """Refuse to resume a training of another task, whose figures have other names.

    Args:
        facts: What was recorded of the training in `folder`, with what `describe` gave under `determined_by`.
        task: The task of the one that would resume it.
        folder: The run directory.

    Raises:
        InputError: Naming both tasks.
    """
    before = facts.get("determined_by") if isinstance(facts, dict) else None
    found = before.get("task", IMAGES) if isinstance(before, dict) else task
    if found != task:
        raise InputError(f"`resume`: {folder} holds a run of `task={found}`, not of `task={task}`", hint=OTHER)


def describe(job: Job) -> dict[str, object]:
    """Everything that determines the weights, in the terms of JSON: options by their fields as typed, other facts in words."""
    config, recipe = job.config, asdict(job.recipe)
    settings, rates, dtype = (recipe.pop(name) for name in ("options", "rates", "dtype"))
    del recipe["threads"]  # the number that is used counts
    per_epoch = recipe.pop("steps")
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
    facts |= job.task.facts(job.data, job.objective, config)
    if config.pretrain != NO_PRETRAINING:
        facts |= {name: getattr(config, name) for name in ("pretrain", "pretrain_epochs", "distance", "margin", "grow")}
        facts |= {} if config.patch is None else {"patch": config.patch}
    facts |= {} if config.labels is None else {"labels": config.labels}
    facts |= {} if job.labels_seed is None else {"labels_seed": job.labels_seed}
    facts |= {} if per_epoch is None else {"steps_per_epoch": per_epoch}
    if semi_chosen(config.semi):
        facts |= {name: value for name in ("semi", *OF_SEMI) if (value := getattr(config, name)) is not None}
        facts |= {} if config.temperature is None else {"temperature": show_temperature(config.temperature)}
    facts |= {} if (ranks := current_ranks()).size == 1 else {"number of processes": ranks.size}
    if job.unlabelled is not None:
        facts["unlabelled"] = job.unlabelled.fingerprint
    found: dict[str, object] = json.loads(json.dumps(facts))
    return found


def steps(job: Job) -> int:
    """How many steps the whole training takes."""
    return job.recipe.epochs * job.recipe.epoch_steps(len(job.data.x_train))
