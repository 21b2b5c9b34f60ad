"""Two ways to train, seed by seed: does the change help, or was it a lucky seed?"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from dlcli.core.stats import mean_difference
from dlcli.engines._train_one import Fitted, Job, fit
from dlcli.specs.train import Comparison, TrainRow
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.report import Report

if TYPE_CHECKING:
    from dlcli.core.plots import Series

Found = list[tuple[str, Job, Fitted]]

METRICS: dict[str, Callable[[TrainRow], float | None]] = {
    "test accuracy": lambda row: row.accuracy.value,
    "training accuracy": lambda row: row.train_accuracy,
    "epochs to fit": lambda row: row.epochs_to_fit,
    "epochs to level": lambda row: row.epochs_to_level,
    "seconds": lambda row: row.seconds,
}


def pairs(jobs: Mapping[str, Job], seeds: Iterable[int], report: Report) -> Found:
    """Train every side from every seed: the same initial weights where shapes allow, the same order of examples.

    The sides take turns within a seed, so that a machine that slows down slows both.
    """
    found: Found = []
    for seed in seeds:
        for name, job in jobs.items():
            one = replace(job, seed=seed)
            fitted = fit(one, report=report, label=f"{name}, seed {seed}")
            if fitted is None:
                return found
            found.append((name, one, fitted))
    return found


def compare(rows: Sequence[TrainRow], names: Sequence[str]) -> tuple[Comparison, ...]:
    """The two sides by each metric: the mean of the paired differences over seeds, with its interval and a verdict."""
    return tuple(found for metric in METRICS if (found := _comparison(rows, names, metric)) is not None)


def _comparison(rows: Sequence[TrainRow], names: Sequence[str], metric: str) -> Comparison | None:
    sides = [[METRICS[metric](row) for row in rows if row.variant == name] for name in names]
    both = [(a, b) for a, b in zip(*sides, strict=False) if a is not None and b is not None]
    if len(both) < 2:
        return None
    difference = mean_difference([a - b for a, b in both])
    return Comparison(
        metric=metric,
        first=fmean(a for a, _ in both),
        second=fmean(b for _, b in both),
        difference=difference,
        verdict="established" if difference.established else "not established",
    )


def save_comparison(folder: Path, rows: Sequence[TrainRow], found: Found, *, names: tuple[str, str], watched: str) -> None:
    """Leave the learning curves as a picture and the runs as a table in `folder`."""
    from dlcli.core.plots import accuracy_plot, png

    curves, table = names
    series = [_series(name, found) for name in dict.fromkeys(name for name, _, _ in found)]
    with atomic_path(folder / curves) as temporary:
        label = f"{watched} accuracy, mean and range over seeds"
        temporary.write_bytes(png(accuracy_plot(series, x_label="epoch", y_label=label)))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["variant", "seed", "epoch", "train_loss", "train_accuracy", f"{watched}_accuracy"])
    for name, job, fitted in found:
        writer.writerows(
            [name, job.seed, k, e.train_loss, e.train_accuracy, e.accuracy] for k, e in enumerate(fitted.history, 1)
        )
    write_text(folder / table, stream.getvalue())


def _series(name: str, found: Found) -> "Series":
    from dlcli.core.plots import Series

    curves = [[epoch.accuracy for epoch in fitted.history] for side, _, fitted in found if side == name]
    epochs = list(zip(*curves, strict=False))
    x = list(range(1, len(epochs) + 1))
    return Series(name, x, [fmean(e) for e in epochs], [min(e) for e in epochs], [max(e) for e in epochs])
