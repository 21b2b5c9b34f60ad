"""What a training learns from: the dataset, and images without labels beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, Split, choose
from dlcli.core.data.corrupt import corrupt, keeps_images
from dlcli.core.data.few_labels import with_few_labels
from dlcli.core.data.set_folders import subfolders
from dlcli.core.data.splits import with_dev_set
from dlcli.core.data.unlabelled_images import UnlabelledImages
from dlcli.core.image_matching.twins import has_twin
from dlcli.core.model_io.dev_set import DEV
from dlcli.core.tasks import task_for
from dlcli.engines.train.job import Job, preparation_of
from dlcli.specs.pretraining import takes_unlabelled
from dlcli.specs.semi_supervised import semi_chosen
from dlcli.specs.train import SEEDS_OF_A_ROOT, TrainConfig
from dlcli.specs.training_options import SEEDS
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

HIDDEN = 2000
"""The most unlabelled images with a known label that are looked at after each epoch."""


@dataclass(frozen=True)
class TrainingSets:
    """The dataset, and images without labels that training takes beside its training set; None for none.

    `hidden` are examples among these whose labels are known, to see how good pseudo-labels are: nothing is trained on their
    labels. `labels_seed` is that of the draw of labels, if it is not that of the training. `held_out`: the dev set is a part of
    the training set that can be drawn again.
    """

    data: ImageData
    unlabelled: UnlabelledImages | None = None
    hidden: Split | None = None
    labels_seed: int | None = None
    held_out: bool = False

    @property
    def beside_data(self) -> dict[str, Any]:
        """All but the dataset, by the fields of `Job`."""
        return {name: getattr(self, name) for name in ("unlabelled", "hidden", "labels_seed", "held_out")}


def labels_seed_of(config: TrainConfig, seed: int) -> int:
    """The seed of the draw of labels for a training from `seed`; with `label_draws` several in a row have the same."""
    if config.labels_seed is not None:
        return config.labels_seed
    if config.label_draws is None:
        return seed
    first, seeds = config.seed * SEEDS_OF_A_ROOT, config.seeds or SEEDS
    return first + (seed - first) // (seeds // config.label_draws)


def prepared(sets: TrainingSets, config: TrainConfig, seed: int, labels_seed: int | None = None) -> TrainingSets:
    """What one side of a comparison learns from: labels are drawn first, then a dev set from the labelled.

    Args:
        sets: What there is.
        config: Of the side.
        seed: Of the draws.
        labels_seed: That of the draw of labels; None for `seed`.
    """
    data, pool, hidden = sets.data, sets.unlabelled, None
    if config.labels is not None:
        labels_seed = seed if labels_seed is None else labels_seed
        data, rest = with_few_labels(data, config.labels, labels_seed)
        pool = UnlabelledImages((rest.x, *(pool.parts if pool is not None else ()))) if len(rest.y) else pool
        hidden = rest.take(choose(rest.y.numpy(), HIDDEN)) if semi_chosen(config.semi) and len(rest.y) else None
    group = task_for(config).group_column(data, config)
    images_stay = config.corrupt is None or keeps_images(config.corrupt)
    held_out = bool(config.dev) and DEV not in data.extra_splits and images_stay
    data = with_dev_set(data, config.dev, seed, group) if config.dev else data
    data = corrupt(data, config.corrupt, seed) if config.corrupt else data
    drawn = labels_seed if config.labels is not None and labels_seed != seed else None
    return TrainingSets(data, pool if takes_unlabelled(config) else None, hidden, drawn, held_out)


def varies(config: TrainConfig) -> bool:
    """Whether `prepared` depends on the seed."""
    return bool(config.dev or config.corrupt or config.labels)


def open_unlabelled(config: TrainConfig, data: ImageData, report: Reporter) -> UnlabelledImages | None:
    """The images of `unlabelled`; warns of test images among them, and of folders whose names are not read.

    Raises InputError if there are none, or of another shape than those of `data`; with `strict` for test images too.
    """
    if config.unlabelled is None:
        return None
    spec: Any = config.unlabelled
    found = open_data(
        spec,
        strict=config.strict,
        report=report,
        size=config.size,
        preparation=preparation_of(config),
        limit=config.limit,
        unlabelled=True,
        videos=False,
        option="unlabelled",
    )
    pool = UnlabelledImages((found.x_test,))
    if not len(pool):
        raise InputError(f"`unlabelled`: {spec} holds no images")
    if found.x_test.shape[1:] != data.x_test.shape[1:]:
        shapes = ["x".join(map(str, x.shape[1:])) for x in (found.x_test, data.x_test)]
        message = f"`unlabelled`: {spec} holds images of {shapes[0]} (channels, height, width), and {data.name} of {shapes[1]}"
        raise InputError(message, hint="`size` resizes both; colour and grey images cannot be mixed")
    folders = subfolders(Path(spec)) if Path(spec).is_dir() else []
    if folders or found.classes:
        what = count(len(folders), "folder") if folders else "labels"
        report.note(f"unlabelled: {spec} has {what}, which are not read as classes")
    _warn_of_test_images(config, data, pool, report)
    return pool


def _warn_of_test_images(config: TrainConfig, data: ImageData, pool: UnlabelledImages, report: Reporter) -> None:
    """Warn of test images in the pool, equal in every pixel or near duplicates, or refuse them."""
    if report is SILENT and not config.strict:
        return  # as in each process of a comparison, whose first one has warned
    equal = pool.held(data.x_test)
    rest = data.x_test[torch.from_numpy(~equal)]
    near = int(has_twin(rest, pool.parts, report).sum())
    if not equal.any() and not near:
        return
    each = [(int(equal.sum()), "pixel for pixel"), (near, "as near duplicates")]
    shown = " and ".join(f"{n:,} {how}" for n, how in each if n)
    message = f"of {count(len(data.x_test), 'test image')} {shown} are among the images of `unlabelled`"
    if config.strict:
        raise InputError(message, hint="remove them from there; figures on the test set would be too good")
    report.warn(f"{message}: figures on the test set may be too good")


def labels_note(job: Job) -> tuple[str, ...]:
    """How many labels were drawn."""
    asked = job.config.labels
    if asked is None:
        return ()
    parts = ("train", "dev") if job.config.dev else ("train",)
    y = np.concatenate([job.data.splits[name].y.numpy() for name in parts])
    counts = np.unique(y, return_counts=True)[1]
    each = f"{counts.min():,}" if counts.min() == counts.max() else f"{counts.min():,} to {counts.max():,}"
    more = f"; {asked:,} were asked for" if counts.sum() != asked else ""
    return (f"labels: {count(counts.sum(), f'training {job.data.unit}')} have labels, {each} of each class{more}",)
