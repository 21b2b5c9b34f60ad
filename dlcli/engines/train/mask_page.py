"""The pages of `dlcli train --task segment -o DIR`: of one network, and of a comparison."""

from collections.abc import Sequence
from statistics import fmean

from matplotlib.figure import Figure

from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Cell, Chart, PageTable, figure_cell, percent, percent_cell
from dlcli.core.html_report.vector import svg
from dlcli.specs.figures import in_millions
from dlcli.specs.masks import MASK_NAMES, ClassMask, MaskMetric, MaskRow, MaskTrainResult
from dlcli.specs.train_result import Comparison
from dlcli.support.plural import count

_CAPTION = (
    "mIoU of the set, and the loss of the other set, are those after each epoch; training loss is the mean over the epoch, "
    "while the network still changed."
)
_COUNTS = ("epochs to level", "seconds")


def mask_run_page(result: MaskTrainResult, history: Figure) -> Page:
    """The page of one trained network.

    Args:
        result: The result, with one row.
        history: mIoU and loss over epochs.
    """
    (row,) = result.rows
    found = percent(row.figure("miou"))
    return Page(
        title=f"{result.model} on {result.data}",
        number=f"{found.value}%",
        interval=found.interval,
        lead=f"mIoU of {count(result.n_test, f'test {result.unit}')} together after {row.best_epoch} of "
        f"{count(row.epochs, 'epoch')}; of "
        f"{count(row.n_watched, f'training {result.unit}')} {100 * row.train_miou:.1f}%.",
        parts=[
            Chart(svg(history, alt="mIoU and loss by epoch"), _CAPTION),
            metrics_table(row.metrics, f"On {count(result.n_test, f'test {result.unit}')}"),
            classes_table(row.per_class),
        ],
        notes=result.notes,
        facts=[*_facts(result), ("Seed", str(row.seed)), ("Weights SHA-256", row.weights_sha256)],
    )


def mask_comparison_page(result: MaskTrainResult, curves: Figure, *, watched: str) -> Page:
    """The page of a comparison.

    Args:
        result: The result.
        curves: Learning curves over epochs, with the paired differences below if there are two variants.
        watched: The set on which training is followed, "dev" or "test".
    """
    names = list(dict.fromkeys(row.variant for row in result.rows))
    shown = f"mIoU of the {watched} set after each epoch: mean and range over seeds"
    below = "; below, the mean paired difference with its 95% interval" if len(names) == 2 else ""
    means = {name: fmean(row.figure("miou").value for row in result.rows if row.variant == name) for name in names}
    best = max(means, key=lambda name: means[name])
    head, interval, lead = f"{100 * means[best]:.1f}%", "", f"is the highest mean test mIoU, of {best}."
    if len(names) == 2 and result.comparisons:
        one = result.comparisons[0]
        found = percent(one.difference)
        head, interval = f"{found.value} points", found.interval
        sides = ", ".join(f"{name} {100 * means[name]:.1f}%" for name in names)
        lead = (
            f"of {one.metric}, {one.verdict}: {sides}, over {count(one.difference.n, 'pair')} on these "
            f"{count(result.n_test, 'test image')}."
        )
    return Page(
        title=f"{', '.join(names[:-1])} or {names[-1]}: {result.model} on {result.data}",
        number=head,
        interval=interval,
        lead=lead,
        parts=[
            Chart(svg(curves, alt=f"Learning curves of {', '.join(names)}"), f"{shown}{below}."),
            *_differences(result, names),
            _by_class(result, names),
            _networks(result),
        ],
        notes=result.notes,
        facts=_facts(result),
    )


def metrics_table(metrics: Sequence[MaskMetric], caption: str) -> PageTable:
    """The metrics of a network, in percent."""
    rows: list[list[Cell]] = [[MASK_NAMES[one.name], percent_cell(one.estimate)] for one in metrics]
    return PageTable(caption, ["metric", "value, %"], rows, strong=0)


def classes_table(classes: Sequence[ClassMask]) -> PageTable:
    """The figures of each class, in percent; a dash for a class that is not there."""
    rows: list[list[Cell]] = [
        [
            one.name,
            percent_cell(one.iou),
            percent_cell(one.accuracy),
            percent_cell(one.boundary_f),
            f"{one.pixels:,}",
            one.most_confused_with or "–",
        ]
        for one in classes
    ]
    return PageTable("By class", ["class", "IoU, %", "accuracy, %", "boundary F, %", "pixels", "most confused with"], rows)


def _facts(result: MaskTrainResult) -> list[tuple[str, str]]:
    changed = f" with {', '.join(result.surgery)}" if result.surgery else ""
    return [
        ("Data", f"{result.data}: {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"),
        ("Network", f"{result.model}{changed}"),
        ("Loss", result.loss),
        ("Device", result.device),
    ]


def _differences(result: MaskTrainResult, names: Sequence[str]) -> list[PageTable]:
    if not result.comparisons:
        return []
    if len(names) > 2:
        pairs: list[list[Cell]] = [
            [" minus ".join(one.variants), percent_cell(one.difference), one.verdict, f"{one.p:.2g}"]
            for one in result.comparisons
        ]
        return [PageTable("Test mIoU, paired differences in points", ["variants", "difference", "verdict", "p"], pairs)]
    rows = [_difference(one) for one in result.comparisons]
    return [PageTable("Paired differences over seeds", ["metric", "difference", "verdict", *names, "p"], rows, 0)]


def _difference(one: Comparison) -> list[Cell]:
    share = one.metric not in _COUNTS
    found = percent_cell(one.difference) if share else figure_cell(one.difference, decimals=1)
    sides = (f"{(100 if share else 1) * side:.1f}" for side in (one.first, one.second))
    p = "–" if one.p is None else f"{one.p:.2g}"
    return [f"{one.metric}, %" if share else one.metric, found, one.verdict or "not tested", *sides, p]


def _by_class(result: MaskTrainResult, names: Sequence[str]) -> PageTable:
    rows: list[list[Cell]] = [[name, *(_mean_iou(result, name, side) for side in names)] for name in result.classes]
    return PageTable("IoU by class, in %, means over seeds", ["class", *names], rows)


def _mean_iou(result: MaskTrainResult, name: str, side: str) -> str:
    found = [
        one.iou.value for row in result.rows if row.variant == side for one in row.per_class if one.name == name and one.iou
    ]
    return f"{100 * fmean(found):.1f}" if found else "–"


def _networks(result: MaskTrainResult) -> PageTable:
    head = ["variant", "mIoU, %", "seed", "training mIoU, %", "epochs", "multiply-adds", "parameters", "training loss"]
    return PageTable("All networks", head, [_network(row) for row in result.rows])


def _network(row: MaskRow) -> list[Cell]:
    cost = in_millions(row.multiply_adds), f"{row.parameters:,}"
    training = f"{100 * row.train_miou:.1f}", str(row.epochs)
    return [row.variant, percent_cell(row.figure("miou")), str(row.seed), *training, *cost, f"{row.train_loss:.3g}"]
