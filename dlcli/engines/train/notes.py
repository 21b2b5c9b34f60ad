"""What a result of `dlcli train` notes about its data, and about a comparison."""

from collections.abc import Sequence
from itertools import chain, islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.groups import groups_of
from dlcli.core.data.scores import score_levels
from dlcli.core.grouped import crossed_difference
from dlcli.core.stats import least_established
from dlcli.engines.leaks import find_leaks, leaks_notes, may_leak
from dlcli.engines.train.job import Job
from dlcli.engines.train.label_draws import draw_of, means_by_draw
from dlcli.engines.train.versus import (
    TrainedVariant,
)
from dlcli.specs.figures import in_units, points
from dlcli.specs.train import IMAGES, TrainConfig
from dlcli.specs.training_options import SEEDS
from dlcli.support.reporter import SILENT

_ENOUGH = 10
_NAMED = 5
"""The most scores without an example that a note names."""


def data_notes(job: Job) -> tuple[str, ...]:
    """What there is to know about the loss of scores, how examples are drawn, and how those of the test set hang together."""
    test = job.data.splits["test"]
    group = groups_of(test.metadata, job.group, job.data.name)
    losses = () if job.objective is None else job.objective.notes()
    return (*losses, *_balance_note(job), *job.task.dependence_notes(test, group, job.group, job.data.unit))


def duplicate_notes(job: Job, predicted: NDArray[Any]) -> tuple[str, ...]:
    """A note on test images that have a near duplicate among the training images, where there are few enough to look for them.

    Args:
        job: The training.
        predicted: What its network predicts for the test set.
    """
    if job.task.name != IMAGES or not may_leak(job.data, "test"):
        return ()
    test, train = job.data.splits["test"], job.data.splits["train"]
    group = groups_of(test.metadata, job.group, job.data.name)
    found = find_leaks(test, train, np.asarray(predicted == test.y.numpy()), group, SILENT)
    return tuple(leaks_notes(found, job.data.unit, "test"))


def _balance_note(job: Job) -> tuple[str, ...]:
    """What scores balanced sampling draws alike, and which it cannot draw."""
    if job.config.balance is None:
        return ()
    scores = job.data.y_train.numpy()
    there, counts = np.unique(score_levels(scores), return_counts=True)
    what = "integer score" if (scores == np.round(scores)).all() else "tenth of the range of scores"
    gaps = (range(int(low) + 1, int(high)) for low, high in pairwise(there))
    missing = list(islice(chain.from_iterable(gaps), _NAMED + 1))
    some = ", ".join(map(str, missing[:_NAMED])) + (" ..." if len(missing) > _NAMED else "")
    none = f"; no training {job.data.unit} has {some}" if missing else ""
    return (f"balance: each {what} is drawn alike, {len(there)} of them, of {counts.min()} {job.data.unit}s or more{none}",)


def for_new_images(found: Sequence[TrainedVariant], names: tuple[str, ...], job: Job) -> tuple[str, ...]:
    """A note on the difference of two sides for other test images too, which verdicts are not about."""
    task, unit = job.task, job.data.unit
    each = [{one.row.seed: one.outcomes for one in found if one.row.variant == name} for name in names]
    seeds = [seed for seed in each[0] if all(seed in side for side in each)]
    if len(names) > 2 or len(seeds) < 2 or len(each[0][seeds[0]]) < 2:
        return ()
    draws = [draw_of(one.row) for one in found if one.row.variant == names[0] and one.row.seed in seeds]
    first, second = (means_by_draw(np.stack([side[seed] for seed in seeds]), draws) for side in each)
    group = groups_of(job.data.splits["test"].metadata, job.group, job.data.name)
    by_example = group is not None and first.shape[1] == len(group)  # else outcomes are those of groups already
    gap = crossed_difference(first - second, group if by_example else None)
    verdict = "established" if gap.established else "not established"
    shown = points(gap) if task.in_percent else in_units(gap)
    return (f"For other test {unit}s as well, {task.crossed} differs by {shown}: {verdict}.",)


def few_units(config: TrainConfig, seeds: int) -> tuple[str, ...]:
    """A note on how large a difference must be to be established over few seeds, or draws of labels."""
    n, what = (config.label_draws, "draws") if config.label_draws else (seeds, "seeds")
    if n >= SEEDS:
        return ()
    least, usual = (least_established(number) for number in (n, _ENOUGH))
    return (
        f"With {n} {what} a difference is established only from {least:.1f} times its standard deviation over {what} on; with "
        f"{_ENOUGH}, from {usual:.1f} times.",
    )
