"""How many seeds a comparison needs to establish a difference of a given size."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Any, NamedTuple

from dlcli.core.sample_size import expected_power, pairs_needed
from dlcli.core.stats import least_established
from dlcli.core.tasks.base import ImageTask
from dlcli.engines.train.label_draws import draw_of, repeats
from dlcli.specs.figures import number_in_units
from dlcli.specs.sample_size import POWER, SeedsNeeded
from dlcli.specs.train import SEEDS_OF_A_ROOT
from dlcli.specs.train_result import Comparison

_LEVEL = 0.05


class WithNeeded(NamedTuple):
    """The comparisons, those of the first primary metric with the seeds they need, and notes that tell of it."""

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]


def with_seeds_needed(
    effect: float | None, task: ImageTask, comparisons: Sequence[Comparison], rows: Sequence[Any], workers: int
) -> WithNeeded:
    """Add how many seeds establish a difference of the size `effect`; nothing if that is None.

    Verdicts are at 0.05 divided by the number of tests made at once, which is what Holm asks of the smallest p-value. The
    spread is that of these pairs, so at least that of rounding.

    Args:
        effect: In the unit of the metric.
        task: What was learned.
        comparisons: Of the networks.
        rows: The networks.
        workers: Number of networks trained at a time.

    Returns:
        Both.
    """
    if effect is None or not comparisons:
        return WithNeeded(tuple(comparisons), ())
    tests = sum(one.metric in task.primary for one in comparisons)
    level = _LEVEL / max(1, tests)
    shared = repeats([draw_of(row) for row in rows if row.variant == rows[0].variant])
    per_pair = 2 * shared * fmean(row.seconds for row in rows) / workers
    found = tuple(
        replace(one, needed=_needed(effect, one, level, per_pair)) if one.metric == task.primary[0] else one
        for one in comparisons
    )
    return WithNeeded(found, tuple(_note(task, one, one.needed, shared) for one in found if one.needed is not None))


def _needed(effect: float, one: Comparison, level: float, seconds_per_pair: float) -> SeedsNeeded:
    gap = one.difference
    deviation = (gap.high - gap.low) / 2 / least_established(gap.n)
    needed = partial(pairs_needed, effect, deviation, power=POWER, level=level, most=SEEDS_OF_A_ROOT)
    seeds = needed(gap.n - 1)
    return SeedsNeeded(
        effect=effect,
        seeds=seeds,
        seeds_if_exact=needed(0),
        most=SEEDS_OF_A_ROOT,
        power=expected_power(gap.n, effect, deviation, gap.n - 1, level=level) if deviation else 1.0,
        deviation=deviation,
        minutes=None if seeds is None else seeds * seconds_per_pair / 60,
    )


def _note(task: ImageTask, one: Comparison, needed: SeedsNeeded, shared: int) -> str:
    what = "draws of labels" if shared > 1 else "seeds"
    of = f" ({' and '.join(one.variants)})" if one.variants else ""
    seeds = f"more than {needed.most:,}" if needed.seeds is None else f"{needed.seeds:,}"
    exact = "more" if needed.seeds_if_exact is None else f"{needed.seeds_if_exact:,}"
    minutes = "" if needed.minutes is None else f", about {_time(needed.minutes)}"
    return (
        f"A difference of {_size(task, needed.effect)} in {one.metric}{of} is established in {POWER:.0%} of comparisons with "
        f"{seeds} {what}{minutes}; in {needed.power:.0%} with these {one.difference.n}. Their standard deviation of "
        f"{_size(task, needed.deviation)} is itself uncertain; if it were exact, {exact} would do."
    )


def _size(task: ImageTask, value: float) -> str:
    return f"{100 * value:.3g} point{'' if value == 0.01 else 's'}" if task.in_percent else number_in_units(value, 4)


def _time(minutes: float) -> str:
    return f"{minutes / 60:,.1f} hours" if minutes >= 120 else f"{minutes:,.0f} minutes" if minutes >= 1.5 else "a minute"
