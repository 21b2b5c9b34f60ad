"""The files of `dlcli train -o DIR` besides the network: report.html, and of a comparison its curves and its epochs."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from dlcli.core.html_report.figures import PlotSeries, accuracy_plot, history_plot, paired_plot, png
from dlcli.core.stats import mean_difference
from dlcli.engines.train.epoch_log import Epoch
from dlcli.engines.train.page import comparison_page, run_page
from dlcli.engines.train.versus import TrainedVariant
from dlcli.specs.train import GIVEN, TrainResult
from dlcli.support.atomic import atomic_path, write_text

CURVES, RUNS, PAGE = "curves.png", "runs.csv", "report.html"


def save_run_page(folder: Path, result: TrainResult, history: Sequence[Epoch], *, watched: str) -> None:
    """Write the page of one trained network.

    Args:
        folder: The run directory.
        result: The result.
        history: Its epochs.
        watched: The set on which training is followed, "dev" or "test".
    """
    write_text(folder / PAGE, run_page(result, _history(history, watched)).html())


def save_comparison(
    folder: Path, result: TrainResult, found: Sequence[TrainedVariant], *, watched: str, given: str = ""
) -> None:
    """Write the page of a comparison, the learning curves as a picture and the epochs of all runs as a table.

    Page and picture name the network of the options given by those that the other one changes, as the terminal does.

    Args:
        folder: Where to write.
        result: The result.
        found: The trained networks.
        watched: The set on which accuracy is followed, "dev" or "test".
        given: What the network of the options given is called; "" without a variant of it.
    """
    shown = [_called(one, given) for one in found]
    curves = _curves(shown, watched)
    with atomic_path(folder / CURVES) as temporary:
        temporary.write_bytes(png(curves))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["variant", "seed", "epoch", "train_loss", "train_accuracy", f"{watched}_accuracy"])
    for one in found:
        writer.writerows(
            [one.row.variant, one.row.seed, k, e.train_loss, e.train_accuracy, e.accuracy] for k, e in enumerate(one.history, 1)
        )
    write_text(folder / RUNS, stream.getvalue())
    rows = tuple(replace(row, variant=given) if given and row.variant == GIVEN else row for row in result.rows)
    write_text(folder / PAGE, comparison_page(replace(result, rows=rows), curves, watched=watched).html())


def _called(one: TrainedVariant, given: str) -> TrainedVariant:
    named = given and one.row.variant == GIVEN
    return replace(one, row=replace(one.row, variant=given)) if named else one


def _history(history: Sequence[Epoch], watched: str) -> Figure:
    accuracies = [("training", [one.train_accuracy for one in history]), (watched, [one.accuracy for one in history])]
    losses = [("training", [one.train_loss for one in history]), (watched, [one.loss for one in history])]
    return history_plot(*([_line(name, values) for name, values in kind] for kind in (accuracies, losses)))


def _line(name: str, values: Sequence[float]) -> PlotSeries:
    return PlotSeries(name, range(1, len(values) + 1), values, values, values)


def _curves(found: Sequence[TrainedVariant], watched: str) -> Figure:
    """The learning curves, and of two variants with several seeds their paired differences below."""
    names = list(dict.fromkeys(one.row.variant for one in found))
    series = [_series(name, found) for name in names]
    label = f"{watched} accuracy, %"
    gap = _paired(found, names) if len(names) == 2 else None
    if gap is None:
        return accuracy_plot(series, x_label="epoch", y_label=label, whole=False)
    return paired_plot(series, gap, x_label="epoch", y_label=label, difference_label="difference, points")


def _series(name: str, found: Sequence[TrainedVariant]) -> PlotSeries:
    """The mean over seeds after each epoch, and the range."""
    epochs = list(zip(*(_accuracies(one) for one in found if one.row.variant == name), strict=False))
    return PlotSeries(name, range(1, len(epochs) + 1), *([of(epoch) for epoch in epochs] for of in (fmean, min, max)))


def _paired(found: Sequence[TrainedVariant], names: Sequence[str]) -> PlotSeries | None:
    """The mean paired difference after each epoch with its interval; None with fewer than two pairs."""
    first, second = ({one.row.seed: _accuracies(one) for one in found if one.row.variant == name} for name in names)
    pairs = [zip(first[seed], second[seed], strict=False) for seed in first if seed in second]
    if len(pairs) < 2:
        return None
    gaps = [mean_difference([a - b for a, b in epoch]) for epoch in zip(*pairs, strict=False)]
    ends = ([gap.value for gap in gaps], [gap.low for gap in gaps], [gap.high for gap in gaps])
    return PlotSeries(f"{names[0]} minus {names[1]}", range(1, len(gaps) + 1), *ends)


def _accuracies(one: TrainedVariant) -> list[float]:
    return [epoch.accuracy for epoch in one.history]
