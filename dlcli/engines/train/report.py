"""The files of `dlcli train -o DIR` besides the network: report.html, and of a comparison its curves and its epochs."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from dlcli.core.html_report.figures import PlotSeries, accuracy_plot, history_plot, paired_plot, png
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Part
from dlcli.core.semi_supervised.generate import GeneratedImages
from dlcli.core.stats import mean_difference
from dlcli.core.tasks.base import Epoch, ImageTask
from dlcli.engines.train.epoch_log import epoch_names
from dlcli.engines.train.label_draws import draw_of, means_by_draw
from dlcli.engines.train.mask_page import mask_comparison_page, mask_run_page
from dlcli.engines.train.next_page import next_comparison_page, next_run_page
from dlcli.engines.train.page import comparison_page, run_page
from dlcli.engines.train.pseudo_labels import PSEUDO_NAMES, PseudoLabels, pseudo_shares
from dlcli.engines.train.score_page import score_comparison_page, score_run_page
from dlcli.engines.train.semi_page import semi_parts, semi_parts_of
from dlcli.engines.train.versus import TrainedVariant
from dlcli.specs.image_results import ImageTrainResult
from dlcli.specs.masks import MaskTrainResult
from dlcli.specs.next_step import NextTrainResult
from dlcli.specs.scores import ScoreTrainResult
from dlcli.specs.train_result import GIVEN, TrainResult, named
from dlcli.support.atomic import atomic_path, write_text

CURVES, RUNS, PAGE = "curves.png", "runs.csv", "report.html"


class _Pages(NamedTuple):
    """The page of one network, and that of a comparison with the set that is watched."""

    of_run: Callable[[Any, Figure], Page]
    of_comparison: Callable[..., Page]


_PAGES: Mapping[type, _Pages] = {
    TrainResult: _Pages(run_page, comparison_page),
    ScoreTrainResult: _Pages(score_run_page, score_comparison_page),
    MaskTrainResult: _Pages(mask_run_page, mask_comparison_page),
    NextTrainResult: _Pages(next_run_page, next_comparison_page),
}
"""By the kind of result, of which each task has its own."""


def save_run_page(
    folder: Path,
    task: ImageTask,
    result: ImageTrainResult,
    history: Sequence[Epoch],
    *,
    watched: str,
    pseudo: Sequence[PseudoLabels] = (),
    generated: GeneratedImages | None = None,
    classes: Sequence[str] = (),
    further: Sequence[Part] = (),
) -> None:
    """Write the page of one trained network.

    Args:
        folder: The run directory.
        task: What was learned.
        result: The result.
        history: Its epochs.
        watched: The set on which training is followed, "dev" or "test".
        pseudo: Its pseudo-labels after each epoch.
        generated: Images that its semi-supervised method generates.
        classes: Names of the classes.
        further: What else the page shows.
    """
    figure = _history(task, history, watched)
    page = _PAGES[type(result)].of_run(result, figure)
    parts = semi_parts(
        {"": {result.rows[0].seed: pseudo}} if pseudo else {}, {} if generated is None else {"": generated}, classes
    )
    write_text(folder / PAGE, replace(page, parts=[*page.parts, *parts, *further]).html())


def save_comparison(
    folder: Path,
    task: ImageTask,
    result: ImageTrainResult,
    found: Sequence[TrainedVariant],
    *,
    watched: str,
    given: str = "",
    classes: Sequence[str] = (),
) -> None:
    """Write the page of a comparison, the learning curves as a picture and the epochs of all runs as a table.

    Page and picture name the network of the options given by those that the other one changes, as the terminal does.

    Args:
        folder: Where to write.
        task: What was learned.
        result: The result.
        found: The trained networks.
        watched: The set on which training is followed, "dev" or "test".
        given: What the network of the options given is called; "" without a variant of it.
        classes: Names of the classes.
    """
    called = [_called(one, given) for one in found]
    compared = {row.variant for row in result.rows}  # without a longer training, whose epochs are others
    curves = _curves(task, [one for one, own in zip(called, found, strict=True) if own.row.variant in compared], watched)
    with atomic_path(folder / CURVES) as temporary:
        temporary.write_bytes(png(curves))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    with_pseudo = any(one.pseudo for one in found)
    writer.writerow(["variant", "seed", "epoch", *epoch_names(task, watched)[:3], *(PSEUDO_NAMES if with_pseudo else ())])
    for one in found:
        shares = [pseudo_shares(labels) for labels in one.pseudo] or [(None, None) if with_pseudo else ()] * len(one.history)
        writer.writerows(
            [one.row.variant, one.row.seed, k, e.train_loss, e.train_figure, e.figure, *more]
            for k, (e, more) in enumerate(zip(one.history, shares, strict=True), 1)
        )
    write_text(folder / RUNS, stream.getvalue())
    page = _PAGES[type(result)].of_comparison(named(result, given), curves, watched=watched)
    write_text(folder / PAGE, replace(page, parts=[*page.parts, *semi_parts_of(called, classes)]).html())


def _called(one: TrainedVariant, given: str) -> TrainedVariant:
    named = given and one.row.variant == GIVEN
    return replace(one, row=replace(one.row, variant=given)) if named else one


def _history(task: ImageTask, history: Sequence[Epoch], watched: str) -> Figure:
    figures = [("training", [one.train_figure for one in history]), (watched, [one.figure for one in history])]
    losses = [("training", [one.train_loss for one in history]), (watched, [one.loss for one in history])]
    lines = ([_line(name, values) for name, values in kind] for kind in (figures, losses))
    return history_plot(*lines, y_label=task.label, in_percent=task.in_percent)


def _line(name: str, values: Sequence[float]) -> PlotSeries:
    return PlotSeries(name, range(1, len(values) + 1), values, values, values)


def _curves(task: ImageTask, found: Sequence[TrainedVariant], watched: str) -> Figure:
    """The learning curves, and of two variants with several seeds their paired differences below."""
    names = list(dict.fromkeys(one.row.variant for one in found))
    series = [_series(name, found) for name in names]
    label = f"{watched} {task.label}"
    gap = _paired(found, names) if len(names) == 2 else None
    if gap is None:
        return accuracy_plot(series, x_label="epoch", y_label=label, whole=False, in_percent=task.in_percent)
    below = "difference, points" if task.in_percent else "difference"
    return paired_plot(series, gap, x_label="epoch", y_label=label, difference_label=below, in_percent=task.in_percent)


def _series(name: str, found: Sequence[TrainedVariant]) -> PlotSeries:
    """The mean over seeds after each epoch, and the range."""
    epochs = list(zip(*(_figures_of(one) for one in found if one.row.variant == name), strict=False))
    return PlotSeries(name, range(1, len(epochs) + 1), *([of(epoch) for epoch in epochs] for of in (fmean, min, max)))


def _paired(found: Sequence[TrainedVariant], names: Sequence[str]) -> PlotSeries | None:
    """The mean paired difference after each epoch with its interval; None with fewer than two pairs."""
    first, second = ({one.row.seed: _figures_of(one) for one in found if one.row.variant == name} for name in names)
    pairs = [zip(first[seed], second[seed], strict=False) for seed in first if seed in second]
    draws = [draw_of(one.row) for one in found if one.row.variant == names[0] and one.row.seed in second]
    if len(pairs) < 2:
        return None
    gaps = [mean_difference(means_by_draw([a - b for a, b in epoch], draws)) for epoch in zip(*pairs, strict=False)]
    ends = ([gap.value for gap in gaps], [gap.low for gap in gaps], [gap.high for gap in gaps])
    return PlotSeries(f"{names[0]} minus {names[1]}", range(1, len(gaps) + 1), *ends)


def _figures_of(one: TrainedVariant) -> list[float]:
    return [epoch.figure for epoch in one.history]
