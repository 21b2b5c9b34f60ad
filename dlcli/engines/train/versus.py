"""Trains two variants from the same seeds and compares them in pairs, so that a lucky seed does not decide."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, takewhile
from math import sqrt
from statistics import fmean
from typing import Any, NamedTuple

from numpy.typing import NDArray

from dlcli.core.compute.device import threads as torch_threads
from dlcli.core.compute.executor import Cluster, run_jobs
from dlcli.core.compute.worker_plan import WorkerPlan
from dlcli.core.evaluation.slices import holm
from dlcli.core.semi_supervised.generate import GeneratedImages
from dlcli.core.stats import mean_difference, p_value
from dlcli.core.tasks.base import Epoch, ImageTask
from dlcli.core.training.recipe import resolve_threads
from dlcli.engines.train.job import Job, check_trained_alike, describe
from dlcli.engines.train.label_draws import draw_of, means_by_draw, repeats
from dlcli.engines.train.pseudo_labels import PseudoLabels
from dlcli.specs.pretraining_result import PretrainingRow
from dlcli.specs.train_result import Comparison
from dlcli.support.errors import InputError
from dlcli.support.reporter import Reporter

_LEVEL = 0.05
_ESTABLISHED = "established"
_COPIES = 3
"""Of the data in a worker, at most: as read, as split, and in the order in which the device takes them."""

Row = Any
"""A row of a result: `TrainRow`, or that of another task."""


@dataclass(frozen=True)
class TrainedVariant:
    """A network of a comparison without its weights.

    Attributes:
        row: Its figures.
        history: Its learning curve.
        notes: The notes of surgery.
        outcomes: How each test example turned out, (n,), as the task has it.
        pretraining: What is known of its pre-training; None without.
        pseudo: Its pseudo-labels after each epoch.
        generated: Images that its semi-supervised method generates; None if it generates none.
        facts: What determined its weights, where it was trained.
    """

    row: Row
    history: tuple[Epoch, ...]
    notes: tuple[str, ...]
    outcomes: NDArray[Any]
    pretraining: PretrainingRow | None = None
    pseudo: tuple[PseudoLabels, ...] = ()
    generated: GeneratedImages | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


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
        pools = {name: "" if job.unlabelled is None else job.unlabelled.fingerprint for name, job in self.jobs.items()}
        return {name: job.data.fingerprint + pools[name] for name, job in self.jobs.items()}

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
    sides: PairedTraining,
    seeds: Iterable[int],
    *,
    processes: WorkerPlan,
    cluster: Cluster | None = None,
    report: Reporter,
) -> list[TrainedVariant]:
    """Train each variant from each seed: the same initial weights where shapes allow, the same order of examples.

    The variants alternate within a seed, so that the two of a pair run at about the same time: a machine that slows down
    slows both, and which comes first alternates from seed to seed, so that wall-clock times stay comparable. Weights do not
    depend on the number of processes.

    Args:
        sides: The variants.
        seeds: From which each is trained.
        processes: In which networks are trained at the same time; a network uses fewer threads if its recipe asks for fewer.
        cluster: Where they are trained in place of this machine; None for here.
        report: Receives the progress.

    Returns:
        The networks in the order of seeds and variants; after an interruption, those before the first unfinished one.

    Raises:
        DlcliError: What `train` raises.
    """
    names = list(sides.jobs)
    which = [(name, seed) for k, seed in enumerate(seeds) for name in (names[::-1] if k % 2 else names)]
    found = run_jobs(
        sides,
        which,
        workers=processes.workers,
        threads=processes.threads,
        gpus=processes.gpus,
        cluster=cluster,
        report=report,
        label="training networks",
        store=partial(_check, sides, which, cluster),
    )
    done = [one for one in takewhile(lambda one: one is not None, found) if one is not None]
    order = {seed: k for k, seed in enumerate(dict.fromkeys(seed for _, seed in which))}
    return sorted(done, key=lambda one: (order[one.row.seed], names.index(one.row.variant)))


def _check(
    sides: PairedTraining, which: Sequence[tuple[str, int]], cluster: Cluster | None, number: int, found: TrainedVariant
) -> None:
    """Raise InputError if a node that trained a network found other code, data or options than this process."""
    name, seed = which[number]
    if cluster is not None:
        check_trained_alike(found.facts, describe(sides.from_seed(sides.jobs[name], seed)))


class LevelRows(NamedTuple):
    """Rows with `epochs_to_level`, and the level: the lowest of the final figures, which all networks reached."""

    rows: tuple[Row, ...]
    level: float


def add_epochs_to_level(found: Sequence[TrainedVariant]) -> LevelRows:
    """Fill in after how many epochs each network first reached the figure that all of them reached."""
    level = min((one.history[one.row.best_epoch - 1].figure for one in found), default=0.0)
    return LevelRows(tuple(replace(one.row, epochs_to_level=_first(one.history, level)) for one in found), level)


def _first(history: Iterable[Epoch], level: float) -> int | None:
    return next((k for k, epoch in enumerate(history, 1) if epoch.figure >= level), None)


class Compared(NamedTuple):
    """The comparisons of two sides, and those of other sides that were tested with them."""

    own: tuple[Comparison, ...]
    further: tuple[Comparison, ...]


def compare(task: ImageTask, rows: Sequence[Row], names: Sequence[str]) -> tuple[Comparison, ...]:
    """The two sides by each metric: the mean of the paired differences over seeds, or over draws of labels, with its interval.

    The primary metric of the task has a verdict by its own interval; where there are several, by Holm for these. Only if one is
    established are the others tested, by Holm, so that at most one table in twenty names a difference where there is none
    (gatekeeping: Dmitrienko and Tamhane 2007, Pharm. Stat. 6, 171-180). Of more than two sides each pair is compared by the
    first primary metric, with Holm's correction for the number of pairs.
    """
    return _compare_pairs(task, rows, names) if len(names) > 2 else compare_with(task, rows, names, ()).own


def compare_with(task: ImageTask, rows: Sequence[Row], names: Sequence[str], further: Sequence[tuple[str, str]]) -> Compared:
    """The comparisons of two sides, and of further pairs of sides by the primary metrics, which are tested together.

    Args:
        task: What was learned.
        rows: The networks of all sides.
        names: The two sides.
        further: Pairs of sides.

    Returns:
        Both; a metric that no two networks of a pair have is omitted.
    """
    found = [one for metric in task.metrics if (one := _comparison(task, rows, names, metric)) is not None]
    primary = [one for one in found if one.metric in task.primary]
    others = [one for one in found if one.metric not in task.primary]
    each = [(pair, _comparison(task, rows, pair, metric)) for pair in further for metric in task.primary]
    beside = [replace(one, variants=pair) for pair, one in each if one is not None]
    tested = _tested([*primary, *beside])
    own, more = tested[: len(primary)], tuple(tested[len(primary) :])
    if not any(one.verdict == _ESTABLISHED for one in own):
        return Compared((*own, *others), more)
    adjusted = holm([p_value(one.difference) for one in others])
    return Compared((*own, *(_with_verdict(one, p) for one, p in zip(others, adjusted, strict=True))), more)


def _tested(primary: Sequence[Comparison]) -> list[Comparison]:
    """The primary metrics with their verdicts: a single one by its interval, several by Holm."""
    if len(primary) < 2:
        return [_with_verdict(one) for one in primary]
    adjusted = holm([p_value(one.difference) for one in primary])
    return [_with_verdict(one, p) for one, p in zip(primary, adjusted, strict=True)]


def _with_verdict(one: Comparison, p: float | None = None) -> Comparison:
    """The comparison with its verdict: by a corrected p-value, or by its interval."""
    clear = one.difference.established if p is None else p <= _LEVEL
    return replace(one, p=p, verdict=_ESTABLISHED if clear else "not established")


def _compare_pairs(task: ImageTask, rows: Sequence[Row], names: Sequence[str]) -> tuple[Comparison, ...]:
    pairs = [(pair, _comparison(task, rows, pair, task.primary[0])) for pair in combinations(names, 2)]
    found = [(pair, one) for pair, one in pairs if one is not None]
    adjusted = holm([p_value(one.difference) for _, one in found])
    return tuple(replace(_with_verdict(one, p), variants=pair) for (pair, one), p in zip(found, adjusted, strict=True))


def compare_with_first(task: ImageTask, rows: Sequence[Row], names: Sequence[str]) -> dict[str, Comparison]:
    """Each further side minus the first one by the primary metric, by Holm for the number of sides that are compared.

    Args:
        task: What was learned.
        rows: The networks of all sides.
        names: The sides.

    Returns:
        By the name of the side; one with fewer than two pairs is missing.
    """
    each = {name: _comparison(task, rows, (name, names[0]), task.primary[0]) for name in names[1:]}
    found = {name: one for name, one in each.items() if one is not None}
    return dict(zip(found, _tested(list(found.values())), strict=True))


def _comparison(task: ImageTask, rows: Sequence[Row], names: Sequence[str], metric: str) -> Comparison | None:
    kind = task.metrics[metric]
    sides = [{row.seed: kind.figure(row) for row in rows if row.variant == name} for name in names]
    both = [(a, sides[1][seed]) for seed, a in sides[0].items() if seed in sides[1]]
    draws = [draw_of(row) for row in rows if row.variant == names[0] and row.seed in sides[1]]
    never = sum(value is None for pair in both for value in pair)
    if len(both) < 2 or never == 2 * len(both):
        return None
    longest = max(map(kind.longest, rows)) if kind.longest is not None else 0.0
    first, second = ([longest if value is None else float(value) for value in side] for side in zip(*both, strict=True))
    gaps = means_by_draw([a - b for a, b in zip(first, second, strict=True)], draws)
    difference = mean_difference(gaps, step=max(map(kind.step, rows)) / sqrt(repeats(draws)))
    return Comparison(metric=metric, first=fmean(first), second=fmean(second), difference=difference, verdict="", never=never)
