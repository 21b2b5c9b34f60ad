"""What a comparison of semi-supervised training with another one adds: equal steps, what each side costs, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from statistics import fmean

from dlcli.engines.train.job import Job
from dlcli.specs.figures import points
from dlcli.specs.semi_supervised import OF_SEMI, semi_chosen
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import GIVEN, Comparison, TrainRow

_OWN = {"semi", "unlabelled", "steps_per_epoch", *OF_SEMI}
"""The options in which two sides may differ, and their difference is still that of learning from unlabelled images or not."""
_ESTABLISHED = "established"


def with_equal_steps(jobs: Mapping[str, Job]) -> dict[str, TrainConfig]:
    """The configurations of the sides that would take fewer steps an epoch than one that learns from unlabelled images.

    Args:
        jobs: The sides by name.

    Returns:
        By name, with as many steps; only those that change.
    """
    steps = next((job.recipe.steps for job in jobs.values() if semi_chosen(job.config.semi)), None)
    short = {name: job for name, job in jobs.items() if job.recipe.steps is None}
    return {} if steps is None else {name: replace(job.config, steps_per_epoch=steps) for name, job in short.items()}


def semi_comparison_notes(
    jobs: Mapping[str, Job], rows: Sequence[TrainRow], comparisons: Sequence[Comparison], given: str
) -> tuple[str, ...]:
    """What a comparison shows about unlabelled images.

    Args:
        jobs: The sides by name.
        rows: The trained networks.
        comparisons: The paired differences.
        given: What the side of the options given is called; "" without a variant of it.

    Returns:
        Verdicts, then steps and seconds of the processor of each side; none where no side has `semi`.
    """
    with_semi = [name for name, job in jobs.items() if semi_chosen(job.config.semi)]
    if not with_semi or not rows:
        return ()
    shown = {name: given if name == GIVEN and given else name for name in jobs}
    pairs = [(one, other) for one in with_semi for other in jobs if other not in with_semi]
    verdicts = [_verdict(jobs, comparisons, one, other, shown[one]) for one, other in pairs]
    return (*filter(None, verdicts), *_costs(jobs, rows, shown))


def _verdict(jobs: Mapping[str, Job], comparisons: Sequence[Comparison], one: str, other: str, shown: str) -> str:
    """Whether unlabelled images help or hurt; "" where the two sides differ in other ways too, or are not compared."""
    first, second = jobs[one].config, jobs[other].config
    if any(getattr(first, item.name) != getattr(second, item.name) for item in fields(first) if item.name not in _OWN):
        return ""
    for found in comparisons:
        if found.metric == "test accuracy" and (not found.variants or set(found.variants) == {one, other}):
            names = found.variants or tuple(jobs)
            gap = found.difference if names[0] == one else -found.difference
            if found.verdict != _ESTABLISHED:
                return f"{shown}: whether unlabelled images help or hurt is not established ({points(gap)})."
            return f"{shown}: unlabelled images {'help' if gap.value > 0 else 'hurt'}: established ({points(gap)})."
    return ""


def _costs(jobs: Mapping[str, Job], rows: Sequence[TrainRow], shown: Mapping[str, str]) -> tuple[str, ...]:
    """Steps and seconds of the processor of a network of each side, and where steps are those of another side."""
    each = []
    for name in jobs:
        own = [row for row in rows if row.variant == name]
        seconds = [row.cpu_seconds for row in own if row.cpu_seconds is not None]
        if own:
            cpu = f" and {fmean(seconds):.1f} CPU seconds" if seconds else ""
            each.append(f"{shown[name]} {round(fmean(row.steps for row in own)):,} steps{cpu}")
    filled = all(job.config.steps_per_epoch is None for job in jobs.values() if semi_chosen(job.config.semi))
    steps = {job.recipe.steps for job in jobs.values() if filled and not semi_chosen(job.config.semi)}
    alone = [
        f"Both sides take as many steps; trained alone, the one without `semi` needs `steps_per_epoch={n}` for them."
        for n in steps
        if n is not None
    ]
    return (f"A network takes on average: {', '.join(each)}.", *alone)
