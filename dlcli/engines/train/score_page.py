"""The pages of `dlcli train --task score -o DIR`: of one network, and of a comparison."""

from collections.abc import Sequence
from statistics import fmean

from matplotlib.figure import Figure

from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Cell, Chart, PageTable, Part, figure_cell, text_cell, units_cell
from dlcli.core.html_report.vector import svg
from dlcli.engines.train.pretraining_page import equal_parts
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.pretraining_result import all_rows
from dlcli.specs.score_text import METRICS, difference_text, metric_text, side_text, third_text
from dlcli.specs.scores import ScoreRow, ScoreTrainResult
from dlcli.support.plural import count

_CAPTION = (
    "Spearman's correlation, and the loss of the other set, are those after each epoch; training loss is the mean over the "
    "epoch, while the network still changed."
)


def score_run_page(result: ScoreTrainResult, history: Figure) -> Page:
    """The page of one trained network.

    Args:
        result: The result, with one row.
        history: Its correlations and losses over epochs.
    """
    (row,) = result.rows
    number, interval = _head(row.figure("spearman"))
    unit = result.unit
    constant = {} if result.baseline is None else {"mae": result.baseline.mae, "rmse": result.baseline.rmse}
    metrics: list[list[Cell]] = [
        [METRICS[one.name], text_cell(metric_text(one.name, one.estimate)), units_cell(constant.get(one.name))]
        for one in row.metrics
    ]
    parts: list[Part] = [
        Chart(svg(history, alt="Spearman's correlation and loss by epoch"), _CAPTION),
        PageTable(f"On {count(result.n_test, f'test {unit}')}", ["metric", "value", "constant"], metrics),
        PageTable("Mean absolute error by third of the scores", ["", "error"], _thirds(row)),
    ]
    return Page(
        title=f"{result.model} on {result.data}",
        number=number,
        interval=interval,
        lead=f"Spearman's correlation of predicted and true scores of "
        f"{count(result.n_test, f'test {unit}')} after {row.best_epoch} of "
        f"{count(row.epochs, 'epoch')}; of {count(row.n_watched, f'training {unit}')} {row.train_spearman:.3f}.",
        parts=parts,
        notes=result.notes,
        facts=[*_facts(result), ("Seed", str(row.seed)), ("Weights SHA-256", row.weights_sha256)],
    )


def score_comparison_page(result: ScoreTrainResult, curves: Figure, *, watched: str) -> Page:
    """The page of a comparison.

    Args:
        result: The result.
        curves: Learning curves over epochs, with the paired differences below if there are two variants.
        watched: The set on which training is followed, "dev" or "test".
    """
    names = list(dict.fromkeys(row.variant for row in result.rows))
    shown = f"Spearman's correlation on the {watched} set after each epoch: mean and range over seeds"
    below = "; below, the mean paired difference with its 95% interval" if len(names) == 2 else ""
    number, interval, lead = _comparison_head(result, names)
    return Page(
        title=f"{', '.join(names[:-1])} or {names[-1]}: {result.model} on {result.data}",
        number=number,
        interval=interval,
        lead=lead,
        parts=[
            Chart(svg(curves, alt=f"Learning curves of {', '.join(names)}"), f"{shown}{below}."),
            *_differences(result, names),
            *equal_parts(result),
            _networks(result),
        ],
        notes=result.notes,
        facts=_facts(result),
    )


def _head(found: Estimate | PointEstimate | None) -> tuple[str, str]:
    if found is None:
        return "–", ""
    value, _, interval = str(found).partition(" ")
    return value, interval


def _comparison_head(result: ScoreTrainResult, names: Sequence[str]) -> tuple[str, str, str]:
    """Of two variants their difference, of more the highest correlation."""
    if len(names) == 2 and result.comparisons:
        one = result.comparisons[0]
        value, _, interval = str(one.difference).partition(" ")
        sides = f"{names[0]} {one.first:.3f}, {names[1]} {one.second:.3f}"
        over = f"{count(one.difference.n, 'pair')} on these {count(result.n_test, f'test {result.unit}')}"
        lead = f"of {one.metric}, {one.verdict}: {sides}, over {over}."
        return value, interval, lead
    means = {name: fmean(row.value("spearman") for row in result.rows if row.variant == name) for name in names}
    best = max(means, key=lambda name: means[name])
    lead = f"is the highest mean Spearman correlation, of {best}; the highest of several is biased upwards."
    return f"{means[best]:.3f}", "", lead


def _facts(result: ScoreTrainResult) -> list[tuple[str, str]]:
    changed = f" with {', '.join(result.surgery)}" if result.surgery else ""
    return [
        ("Data", f"{result.data}: {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"),
        ("Network", f"{result.model}{changed}"),
        ("Loss", result.loss),
        ("Device", result.device),
    ]


def _thirds(row: ScoreRow) -> list[list[Cell]]:
    return [[third_text(third), units_cell(third.mae)] for third in row.thirds]


def _differences(result: ScoreTrainResult, names: Sequence[str]) -> list[PageTable]:
    if not result.comparisons:
        return []
    if len(names) > 2:
        pairs: list[list[Cell]] = [
            [" minus ".join(one.variants), figure_cell(one.difference), one.verdict, f"{one.p:.2g}"]
            for one in result.comparisons
        ]
        return [PageTable("Spearman's correlation, paired differences", ["variants", "difference", "verdict", "p"], pairs)]
    rows: list[list[Cell]] = [
        [
            one.metric,
            text_cell(difference_text(one)),
            one.verdict or "not tested",
            side_text(one, one.first),
            side_text(one, one.second),
            "–" if one.p is None else f"{one.p:.2g}",
        ]
        for one in result.comparisons
    ]
    return [PageTable("Paired differences over seeds", ["metric", "difference", "verdict", *names, "p"], rows, 0)]


def _networks(result: ScoreTrainResult) -> PageTable:
    head = ["variant", "Spearman", "seed", "MAE", "training Spearman", "epochs", "training loss", "best epoch"]
    return PageTable("All networks", head, [_network(row) for row in all_rows(result)])


def _network(row: ScoreRow) -> list[Cell]:
    figures = figure_cell(row.figure("spearman")), str(row.seed), units_cell(row.figure("mae"))
    return [row.variant, *figures, f"{row.train_spearman:.3f}", str(row.epochs), f"{row.train_loss:.3g}", str(row.best_epoch)]
