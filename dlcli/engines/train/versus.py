"""Trains two variants from the same seeds and compares them in pairs, so that a lucky seed does not decide."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, takewhile
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.compute.device import threads as torch_threads
from dlcli.core.compute.worker_plan import WorkerPlan
from dlcli.core.compute.workers import in_parallel
from dlcli.core.evaluation.slices import holm
from dlcli.core.stats import mean_difference, p_value
from dlcli.core.training.recipe import resolve_threads
from dlcli.engines.train.epoch_log import Epoch
from dlcli.engines.train.job import Job
from dlcli.specs.train import Comparison, TrainRow
from dlcli.support.errors import InputError
from dlcli.support.reporter import Reporter

_LEVEL = 0.05
PRIMARY = "test accuracy"
_COPIES = 3
"""Of the data in a worker, at most: as read, as split, and in the order in which the device takes them."""

METRICS: dict[str, tuple[Callable[[TrainRow], float | None], Callable[[TrainRow], float]]] = {
    "test accuracy": (lambda row: row.accuracy.value, lambda row: 1 / row.accuracy.n),
    "training accuracy": (lambda row: row.train_accuracy, lambda row: 1 / row.n_watched),
    "epochs to fit": (lambda row: row.epochs_to_fit, lambda row: 1.0),
    "steps to fit": (lambda row: row.steps_to_fit, lambda row: (row.steps_to_fit or 0) / (row.epochs_to_fit or 1)),
    "epochs to level": (lambda row: row.epochs_to_level, lambda row: 1.0),
    "seconds": (lambda row: row.seconds, lambda row: 0.0),
}
"""By name: the figure of a network, None if it has none, and in steps of what size it comes (0: of any)."""

_LONGEST: dict[str, Callable[[TrainRow], float]] = {
    "epochs to fit": lambda row: row.epochs,
    "steps to fit": lambda row: row.steps,
    "epochs to level": lambda row: row.epochs,
}
"""How long a network was trained, in what these metrics count. One without the figure counts as the longest of all, so that
none is dropped: the difference is one of restricted mean times (Royston and Parmar 2013, BMC Med. Res. Methodol. 13, 152).
"""


@dataclass(frozen=True)
class TrainedVariant:
    """A network of a comparison without its weights.

    Attributes:
        row: Its figures.
        history: Its learning curve.
        notes: The notes of surgery.
        correct: Which test examples it classifies correctly, (n,).
    """

    row: TrainRow
    history: tuple[Epoch, ...]
    notes: tuple[str, ...]
    correct: NDArray[np.bool_]


@dataclass(frozen=True)
class PairedTraining:
    """Two ways to train, run from the same seeds; a call trains one of them from one seed.

    When it is pickled for another process the data are dropped, and `reopen` reads them there: they may be large, and reading
    is fast.

    Attributes:
        jobs: What to train, by the name of the variant.
        reopen: Reads the data and makes it again.
        train: Trains one job, `train(name, job, report)`; returns None if interrupted.
        from_seed: The job from another seed, with the sets that this draws.
    """

    jobs: Mapping[str, Job]
    reopen: Callable[[], "PairedTraining"]
    train: Callable[[str, Job, Reporter], TrainedVariant | None]
    from_seed: Callable[[Job, int], Job]

    def __call__(self, which: tuple[str, int], report: Reporter) -> TrainedVariant | None:
        """Train one side from one seed."""
        name, seed = which
        with torch_threads(resolve_threads(self.jobs[name].recipe)):
            return self.train(name, self.from_seed(self.jobs[name], seed), report)

    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (self.reopen, self._fingerprints())

    def _fingerprints(self) -> dict[str, str]:
        return {name: job.data.fingerprint for name, job in self.jobs.items()}

    @property
    def held(self) -> int:
        """About how many bytes of memory the data take in each process; streamed images take none."""
        return _COPIES * sum({id(job.data): job.data.memory_bytes for job in self.jobs.values()}.values())


def _reopened(reopen: Callable[[], PairedTraining], prints: dict[str, str]) -> PairedTraining:
    sides = reopen()
    if sides._fingerprints() != prints:
        name = next(iter(sides.jobs.values())).data.name
        raise InputError(f"{name}: the data changed while they were read", hint="start again when nothing writes to them")
    return sides


def train_paired(
    sides: PairedTraining, seeds: Iterable[int], *, processes: WorkerPlan, report: Reporter
) -> list[TrainedVariant]:
    """Train each variant from each seed: the same initial weights where shapes allow, the same order of examples.

    The variants alternate within a seed, so that the two of a pair run at about the same time: a machine that slows down
    slows both, and which comes first alternates from seed to seed, so that wall-clock times stay comparable. Weights do not
    depend on the number of processes.

    Args:
        sides: The variants.
        seeds: From which each is trained.
        processes: In which networks are trained at the same time; a network uses fewer threads if its recipe asks for fewer.
        report: Receives the progress.

    Returns:
        The networks in the order of seeds and variants; after an interruption, those before the first unfinished one.

    Raises:
        DlcliError: What `train` raises.
    """
    names = list(sides.jobs)
    which = [(name, seed) for k, seed in enumerate(seeds) for name in (names[::-1] if k % 2 else names)]
    workers, threads, gpus = processes
    found = in_parallel(sides, which, workers=workers, threads=threads, gpus=gpus, report=report, label="training networks")
    done = [one for one in takewhile(lambda one: one is not None, found) if one is not None]
    order = {seed: k for k, seed in enumerate(dict.fromkeys(seed for _, seed in which))}
    return sorted(done, key=lambda one: (order[one.row.seed], names.index(one.row.variant)))


class LevelRows(NamedTuple):
    """Rows with `epochs_to_level`, and the level: the lowest of the final accuracies, which all networks reached."""

    rows: tuple[TrainRow, ...]
    level: float


def add_epochs_to_level(found: Sequence[TrainedVariant]) -> LevelRows:
    """Fill in after how many epochs each network first reached the accuracy that all of them reached."""
    level = min((one.history[one.row.best_epoch - 1].accuracy for one in found), default=0.0)
    return LevelRows(tuple(replace(one.row, epochs_to_level=_first(one.history, level)) for one in found), level)


def _first(history: Iterable[Epoch], level: float) -> int | None:
    return next((k for k, epoch in enumerate(history, 1) if epoch.accuracy >= level), None)


def compare(rows: Sequence[TrainRow], names: Sequence[str]) -> tuple[Comparison, ...]:
    """The two sides by each metric: the mean of the paired differences over seeds, with its interval.

    Test accuracy alone has a verdict by its own interval. Only if it is established are the others tested, by Holm, so that
    at most one table in twenty names a difference where there is none (gatekeeping: Dmitrienko and Tamhane 2007, Pharm. Stat.
    6, 171-180). Of more than two sides each pair is compared by test accuracy, with Holm's correction for the number of pairs.
    """
    if len(names) > 2:
        return _compare_pairs(rows, names)
    found = [one for metric in METRICS if (one := _comparison(rows, names, metric)) is not None]
    if not found or found[0].metric != PRIMARY or not found[0].difference.established:
        return tuple(_with_verdict(one) if one.metric == PRIMARY else one for one in found)
    primary, *others = found
    adjusted = holm([p_value(one.difference) for one in others])
    return (_with_verdict(primary), *(_with_verdict(one, p) for one, p in zip(others, adjusted, strict=True)))


def _with_verdict(one: Comparison, p: float | None = None) -> Comparison:
    """The comparison with its verdict: by a corrected p-value, or by its interval."""
    clear = one.difference.established if p is None else p <= _LEVEL
    return replace(one, p=p, verdict="established" if clear else "not established")


def _compare_pairs(rows: Sequence[TrainRow], names: Sequence[str]) -> tuple[Comparison, ...]:
    pairs = [(pair, _comparison(rows, pair, PRIMARY)) for pair in combinations(names, 2)]
    found = [(pair, one) for pair, one in pairs if one is not None]
    adjusted = holm([p_value(one.difference) for _, one in found])
    return tuple(replace(_with_verdict(one, p), variants=pair) for (pair, one), p in zip(found, adjusted, strict=True))


def _comparison(rows: Sequence[TrainRow], names: Sequence[str], metric: str) -> Comparison | None:
    figure, step = METRICS[metric]
    sides = [{row.seed: figure(row) for row in rows if row.variant == name} for name in names]
    both = [(a, sides[1][seed]) for seed, a in sides[0].items() if seed in sides[1]]
    never = sum(value is None for pair in both for value in pair)
    if len(both) < 2 or never == 2 * len(both):
        return None
    longest = max(map(_LONGEST[metric], rows)) if metric in _LONGEST else 0.0
    first, second = ([longest if value is None else float(value) for value in side] for side in zip(*both, strict=True))
    difference = mean_difference([a - b for a, b in zip(first, second, strict=True)], step=max(map(step, rows)))
    return Comparison(metric=metric, first=fmean(first), second=fmean(second), difference=difference, verdict="", never=never)
