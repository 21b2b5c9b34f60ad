"""The training before the training: the body of a network by a loss of its features, and surgery after it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import in_mode
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import SCORE
from dlcli.core.data.scores import score_levels
from dlcli.core.model_io.checkpoint import load_state, save_state
from dlcli.core.pretraining.base import FeatureNetwork, Pretraining, ViewNetwork, feature_network
from dlcli.core.surgery import apply_surgery
from dlcli.core.training.augment import Augmentation, augmentation
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe, steps_per_epoch
from dlcli.engines.train.job import OTHER, BuiltNetwork, Job, build, check_same, describe
from dlcli.engines.train.one_epoch import run_epoch
from dlcli.engines.train.pretrain_method import method_of, pretraining_epochs
from dlcli.engines.train.pretrained_facts import PretrainedFacts
from dlcli.engines.train.probes import measure
from dlcli.engines.train.stopwatch import NONE_SPENT, Spent, Stopwatch
from dlcli.specs.pretraining import NO_PRETRAINING
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.schema import mapping_of, number, optional
from dlcli.support.seeds import derive

STATE = "pretraining.safetensors"
"""The file of a run directory with the state of pre-training, until the whole training is done."""


class Pretrained(NamedTuple):
    """The network before surgery, in evaluation mode, and what is known of its pre-training."""

    model: nn.Module
    facts: PretrainedFacts


def pretrain(job: Job, report: Reporter, *, label: str, keep: Path | None) -> Pretrained | None:
    """Train the body of the network of `job`.

    Args:
        job: What to train.
        report: Receives the progress, and decides whether to stop.
        label: Name of the task in the progress display.
        keep: A file for the state, written after each epoch; if it exists, training continues from it, bit for bit.

    Returns:
        The network and what is known of it; None if it was interrupted.

    Raises:
        UsageError: If `keep` holds the state of another training.
        InputError: If the network has no last layer.
        NumericError: If the loss is not finite.
    """
    net, watch = build(job).model.to(job.device), Stopwatch()
    training = _start(job, net)
    earlier = _load(job, training, keep) if keep is not None and keep.exists() else NONE_SPENT
    steps = len(training.losses)
    with report.stoppable() as stop, report.task(label, training.recipe.epochs * steps) as task:
        task.advance(training.epoch * steps + training.step)
        while not training.done:
            run_epoch(training, task, stop, report, unit=job.data.unit)
            if keep is not None:
                spent = earlier.plus(watch.spent)
                save_state(keep, training.state(), {"determined_by": describe(job), **spent._asdict()})
            if stop() and not training.done:
                where = f"epoch {training.epoch + 1} of {training.recipe.epochs} of pre-training"
                report.note(f"stopped in {where}" + ("; continue with `resume`" if keep is not None else ""))
                return None
    training.finish(report)
    spent = earlier.plus(watch.spent)
    views = method_of(job).views
    before, after = (measure(job, one, views) for one in (build(job).model.to(job.device), net))
    facts = PretrainedFacts(float(training.losses.mean()), spent, before, after)
    if keep is not None:
        facts.save(keep.parent)
    return Pretrained(net, facts)


def grown(job: Job, net: nn.Module) -> BuiltNetwork:
    """The network after the surgery of `grow`, and its notes; new weights depend on the seed only."""
    if not job.config.grow:
        return BuiltNetwork(net, ())
    with preserved():
        torch.manual_seed(derive(job.seed, "grow"))
        sample = job.data.sample(1).to(next(net.parameters()).device)
        return BuiltNetwork(*apply_surgery(net, job.config.grow, sample, option="grow"))


def check_not_begun(job: Job, keep: Path) -> None:
    """Raise UsageError if `keep` holds the state of a pre-training, for `job` has none."""
    if keep.exists():
        _kept(job, keep)


def check_pretraining(job: Job) -> None:
    """Raise what `pretrain` would before its first step."""
    if job.config.pretrain != NO_PRETRAINING:
        _start(job, build(job).model)


def pretraining_note(job: Job) -> str:
    """What was done before the training itself."""
    epochs = count(pretraining_epochs(job), "epoch")
    found = f"pretrain: {job.config.pretrain}, {method_of(job).shown}, {epochs} of all but the last layer"
    if job.unlabelled is None:
        return found
    n, labelled = len(job.unlabelled), len(job.data.x_train)
    return f"{found}, on {n + labelled:,} images, {n:,} of them without labels"


def _start(job: Job, net: nn.Module) -> Training:
    data = job.data
    if data.frames is not None:
        raise UsageError("`pretrain` takes images, not videos", hint="omit `pretrain`")
    method = method_of(job)
    levels = score_levels(data.y_train.numpy()) if data.target == SCORE else data.y_train.numpy()
    features = feature_network(net, data.sample(1).to(next(net.parameters()).device))
    recipe = replace(job.recipe, epochs=pretraining_epochs(job), warmup=0.0, ema=0.0, steps=None)
    # Names of parameters are those of the network, which stands inside others here.
    inside = "net." if method.views is None else "features.net."
    named = tuple((f"{inside}{start}", rate) for start, rate in recipe.rates)
    recipe = replace(recipe, freeze=tuple(f"{inside}{start}" for start in recipe.freeze), rates=named)
    if recipe.schedule.startswith("plateau"):  # there is no loss on a dev set
        recipe = replace(recipe, schedule="constant")
    x = data.x_train
    if method.views is not None:
        x = x if job.unlabelled is None else job.unlabelled.after(x)
        levels = np.zeros(len(x), np.int64)
    _check_batches(len(x), recipe)
    return Training(
        features if method.views is None else _view_network(job, method, features),
        x,
        torch.from_numpy(levels),
        recipe,
        seed=derive(job.seed, "pretrain"),
        device=job.device,
        hooks=Hooks(
            augment=_changes(job, method),
            sampling=method.sampling and method.sampling(levels),
            together=method.together,
        ),
        objective=method.objective,
    )


def _changes(job: Job, method: Pretraining) -> Augmentation | None:
    """The random changes of `augment`, and after them the views."""
    before = augmentation(job.config.augment, job.data.size)
    if method.views is None:
        return before
    return Augmentation((*(before.changes if before is not None else ()), method.views))


def _check_batches(n: int, recipe: Recipe) -> None:
    """Raise UsageError if a step would see one of the `n` images alone, with which nothing can be compared."""
    if n // steps_per_epoch(n, recipe.batch_size) < 2:
        what = f"batches of {recipe.batch_size} of {count(n, 'image')} leave one alone"
        message = f"`pretrain` compares the images of a step with each other; {what}"
        raise UsageError(message, hint="choose a larger `batch_size`")


def _view_network(job: Job, method: Pretraining, features: FeatureNetwork) -> ViewNetwork:
    """`features` of views, through a head whose initial weights depend on the seed only."""
    where = next(features.parameters()).device
    view = job.data.sample(1)[..., : method.side, : method.side].to(where)
    try:
        with preserved(), torch.no_grad(), in_mode(features):
            d = features(view).shape[1]
    except (RuntimeError, ValueError, InputError):
        size = "x".join(map(str, view.shape[-2:]))
        message = f"`pretrain`: {job.arch.name} takes no images of {size} pixels, the size of the patches"
        raise UsageError(message, hint="choose another `patch`, or a `model` that ends in pooling") from None
    with preserved():
        torch.manual_seed(derive(job.seed, "pretrain", "head"))
        head = nn.Identity() if method.head is None else method.head(d)
    return ViewNetwork(features, head.to(where))


def _load(job: Job, training: Training, keep: Path) -> Spent:
    """Continue where the state in `keep` was taken, after the time that is returned."""
    state, spent = _kept(job, keep)
    try:
        training.load(state)
    except (KeyError, RuntimeError):
        raise InputError(f"{keep}: the state is not of this network", hint=OTHER) from None
    return spent


class _Kept(NamedTuple):
    """The state of a pre-training, and the time that it took."""

    state: Mapping[str, Tensor]
    spent: Spent


def _kept(job: Job, keep: Path) -> _Kept:
    """What `keep` holds; raises UsageError if it is of another training than `job`."""
    state, facts = load_state(keep, OTHER)
    needed = {"determined_by": mapping_of(lambda value: ""), "seconds": number(0), "cpu_seconds": optional(number(0))}
    check_metadata(facts if isinstance(facts, dict) else {}, keep, needed, hint=OTHER)
    check_same(facts["determined_by"], describe(job), job.config, keep.parent)
    return _Kept(state, Spent(facts["seconds"], facts["cpu_seconds"]))
