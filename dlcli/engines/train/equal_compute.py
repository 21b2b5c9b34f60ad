"""The side without pre-training once more, trained for as much compute as the other takes in all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple

from dlcli.engines.train.job import Job
from dlcli.engines.train.pretrain_method import image_passes
from dlcli.specs.pretraining import NO_PRETRAINING
from dlcli.specs.pretraining_result import EqualCompute
from dlcli.specs.semi_supervised import semi_chosen
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import GIVEN
from dlcli.specs.variant import names_field, with_field


class LongerSide(NamedTuple):
    """A further side of a comparison.

    Attributes:
        name: What it is called.
        config: Its options: those of the side without pre-training, with more epochs.
        replaces: The name of that side.
        names: The two sides that are compared at equal compute, in the order of the comparison.
    """

    name: str
    config: TrainConfig
    replaces: str
    names: tuple[str, str]


def longer_side(config: TrainConfig, jobs: Mapping[str, Job]) -> LongerSide | None:
    """The side that makes compute equal, if one of two is pre-trained and `versus` does not choose the epochs itself.

    Args:
        config: The comparison.
        jobs: Its sides by name.

    Returns:
        The side; None where there is nothing to make equal, or compute is not that of images that are counted alike.
    """
    if config.versus is None or names_field(config, config.versus, "epochs"):
        return None
    pair = (GIVEN, config.versus)
    trained = [name for name in pair if jobs[name].config.pretrain != NO_PRETRAINING]
    if len(trained) != 1 or any(semi_chosen(jobs[name].config.semi) for name in pair):
        return None
    other = next(name for name in pair if name not in trained)
    n = len(jobs[other].data.x_train)
    epochs = max(jobs[other].recipe.epochs, ceil(total_passes(jobs[trained[0]]) / n))
    name = with_field(config, "" if other == GIVEN else other, "epochs", epochs)
    side = replace(jobs[other].config, epochs=epochs, versus=None, seeds=None, detect=None, workers=None)
    names = (name, pair[1]) if other == GIVEN else (pair[0], name)
    return LongerSide(name, side, other, names)


def total_passes(job: Job) -> float:
    """How many images go forward and back in pre-training and training."""
    before = image_passes(job) if job.config.pretrain != NO_PRETRAINING else 0.0
    return before + job.recipe.epochs * len(job.data.x_train)


def equal_compute(longer: LongerSide, jobs: Mapping[str, Job], rows: Sequence[Any], comparisons: Sequence[Any]) -> EqualCompute:
    """What a result tells of it.

    Args:
        longer: The longer side.
        jobs: All sides by name.
        rows: Its networks.
        comparisons: Those at equal compute.
    """
    first, second = (total_passes(jobs[name]) for name in longer.names)
    return EqualCompute(
        longer=longer.name,
        variants=longer.names,
        epochs=longer.config.epochs if isinstance(longer.config.epochs, int) else 0,
        image_passes=(first, second),
        rows=tuple(rows),
        comparisons=tuple(comparisons),
    )
