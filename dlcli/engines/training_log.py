"""The logs of `train` and `ensemble`: which trainings there are, and their settings."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from dlcli.core.run_log.base import Group
from dlcli.core.run_log.run_log import logged
from dlcli.engines.train.job import Job
from dlcli.specs.option import declared, key
from dlcli.support.reporter import Reporter

_SHOWN = ("with", "augment", "mixup", "cutmix", "adversarial", "class-weights", "corrupt", "early-stop", "weights", "normalise")
"""Options beyond those of the recipe, by the name that they have at the shell."""


def run_name(arm: str, seed: int) -> str:
    """The name of a training in logs; `arm` is its side of a comparison, "" without one."""
    return f"{arm} seed {seed}" if arm else f"seed {seed}"


class LoggedRun(NamedTuple):
    """A training in logs: how it is trained, and settings that this does not tell, such as its arm."""

    job: Job
    more: Mapping[str, str | float]


def open_logs(
    runs: Mapping[str, LoggedRun], figures: Sequence[str], *, output: Path | None, resume: bool, report: Reporter
) -> AbstractContextManager[Reporter]:
    """The logs that the option `log` of the runs names.

    Args:
        runs: By name.
        figures: The names of all figures.
        output: The output folder.
        resume: Whether trainings go on that were stopped.
        report: Receives what the reporter of the context gets.

    Returns:
        A context with a reporter that writes to the logs.
    """
    first = next(iter(runs.values())).job
    group = Group(
        name=output.name if output is not None else first.data.name,
        id="",
        folder=output,
        resumed=resume,
        figures=tuple(figures),
        runs={name: _settings(run) for name, run in runs.items()},
    )
    return logged(first.config.log, group, report)


def _settings(run: LoggedRun) -> dict[str, str | float]:
    job, recipe = run.job, asdict(run.job.recipe)
    given = {"data": job.data.name, "model": job.arch.name, "seed": job.seed, "n_train": len(job.data.x_train), **run.more}
    given |= recipe.pop("options") | recipe
    for item, details in declared(job.config):
        value = getattr(job.config, item.name)
        if key(item) in _SHOWN and value != item.default:
            given[key(item)] = details.show(value) if details.show else value
    return {name: _plain(value) for name, value in given.items() if value not in (None, "", ())}


def _plain(value: object) -> str | float:
    if isinstance(value, tuple):
        return ", ".join(str(part if not isinstance(part, tuple) else "=".join(map(str, part))) for part in value)
    return value if isinstance(value, str | int | float) else str(value)
