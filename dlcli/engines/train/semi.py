"""Semi-supervised training: the method of a job, its training loop, and how good its pseudo-labels are after each epoch."""

from torch import nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.ranks import current_ranks
from dlcli.core.data.unlabelled_images import UnlabelledImages
from dlcli.core.semi_supervised.generate import GeneratedImages, generate
from dlcli.core.semi_supervised.m2 import M2Networks
from dlcli.core.semi_supervised.training import SemiTraining
from dlcli.core.training.distributed import DistributedTraining
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.engines.train.job import Job, targets
from dlcli.engines.train.pseudo_labels import PseudoLabels
from dlcli.engines.train.semi_method import method_of
from dlcli.specs.arms import one
from dlcli.specs.semi_supervised import semi_chosen
from dlcli.support.errors import UsageError
from dlcli.support.plural import count


def start(job: Job, model: nn.Module, hooks: Hooks) -> Training:
    """The training of `model` before its first step, on the labelled images of `job`, and with `semi` on the others too."""
    method, x, y = method_of(job.config), job.data.x_train, targets(job, job.data.splits["train"])
    if method is None:
        kind = DistributedTraining if current_ranks().size > 1 else Training
        return kind(model, x, y, job.recipe, seed=job.seed, device=job.device, hooks=hooks, objective=job.objective)
    return SemiTraining(
        model,
        x,
        y,
        job.recipe,
        method=method,
        unlabelled=_pool(job).joined(),
        classes=len(job.data.classes),
        ratio=job.config.unlabelled_ratio or method.ratio,
        seed=job.seed,
        device=job.device,
        hooks=hooks,
    )


def check_images(job: Job) -> None:
    """Raise UsageError where `semi` has no images without labels, or videos."""
    if semi_chosen(job.config.semi):
        _pool(job)


def _pool(job: Job) -> UnlabelledImages:
    if job.data.frames is not None:
        raise UsageError("`semi` takes images, not videos", hint="omit `semi`")
    if job.unlabelled is None or not len(job.unlabelled):
        labelled = count(len(job.data.y_train), "training image")
        message = f"`semi`: all {labelled} have labels, so there are no unlabelled ones"
        raise UsageError(message, hint="give fewer `labels`, or add `unlabelled=DIR`")
    return job.unlabelled


def networks_of(training: Training) -> nn.Module | None:
    """The networks that the method of a training brings along; None without any."""
    return training.networks if isinstance(training, SemiTraining) else None


def generated_by(job: Job, networks: nn.Module | None) -> GeneratedImages | None:
    """Images that the networks of a method generate; None if they generate none."""
    if not isinstance(networks, M2Networks):
        return None
    return generate(networks, job.data.x_train, job.data.y_train, job.seed)


def measure_pseudo_labels(job: Job, model: nn.Module) -> PseudoLabels | None:
    """How many of the unlabelled images with a known label get a pseudo-label, and the right one; None without such images.

    Nothing of it reaches the training.
    """
    method, known = method_of(job.config), job.hidden
    if method is None or known is None or not len(known.y):
        return None
    logits = predict_logits(model, known.x, device=job.device)[:, : len(job.data.classes)]
    probability, label = logits.softmax(1).max(1)
    given = probability >= method.threshold
    return PseudoLabels(int(given.sum()), int((given & (label == known.y)).sum()), len(known.y))


def semi_notes(job: Job) -> tuple[str, ...]:
    """How unlabelled images are learned from."""
    method = method_of(job.config)
    if method is None or job.unlabelled is None:
        return ()
    ratio, steps = job.config.unlabelled_ratio or method.ratio, job.recipe.epoch_steps(len(job.data.x_train))
    there = f"{len(job.data.x_train):,} labelled and {count(len(job.unlabelled), 'unlabelled image')}"
    each = f"{ratio} unlabelled for each labelled in a step, {count(steps, 'step')} per epoch"
    found = [f"semi: {one(job.config.semi)}, {method.shown}; {there}, {each}"]
    found += method.notes(job.data.x_train.shape[1:], job.recipe.epochs * steps)
    return tuple(found)
