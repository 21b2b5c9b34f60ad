"""The page of labelled pairs, for `dlcli train --task pairs -o DIR` and `dlcli eval RUN PAIRS.csv -o DIR`."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dlcli.core.html_report.figures import PlotSeries, accuracy_plot
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Bar, Bars, Cell, Chart, PageTable, percent, percent_cell
from dlcli.core.html_report.vector import svg
from dlcli.core.proportion import effective_share
from dlcli.specs.pairs import PairsEvalResult, PairsTrainResult, ThresholdRow, every_metric
from dlcli.support.atomic import write_text
from dlcli.support.plural import count

PAGE = "report.html"
_SHOWN = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Thresholds that the table has."""


def write_pairs_page(folder: Path, result: PairsTrainResult | PairsEvalResult) -> None:
    """Write the page of a scorer of pairs to the output folder."""
    write_text(folder / PAGE, _page(result).html())


def _page(result: PairsTrainResult | PairsEvalResult) -> Page:
    n = result.n_test if isinstance(result, PairsTrainResult) else result.n_pairs
    found = {one.name: one.estimate for one in result.metrics}
    name = "auc" if "auc" in found else next(iter(found))
    head = percent(found[name])
    positives = round(result.duplicates * n)
    bars = [Bar(one.name, (one.estimate,), f"n {one.estimate.n:,}") for one in every_metric(result)]
    kind = "test pairs" if isinstance(result, PairsTrainResult) else "pairs"
    curve = svg(_curve(result.operating, positives), alt="Precision and recall over the threshold")
    return Page(
        title=f"{result.model} on {result.data}",
        number=f"{head.value}%",
        interval=head.interval,
        lead=f"is the {name.upper() if name == 'auc' else name} on {n:,} {kind}, of which {positives:,} are duplicates.",
        parts=[
            Chart(curve, "Precision, with its 95% interval, and recall of the pairs at or above each threshold."),
            Bars("Metrics on these pairs, at a threshold of 0.5 where they need one", ("value",), bars),
            PageTable("Thresholds", ["threshold", "precision, %", "recall, %", "pairs"], _rows(result.operating, positives)),
        ],
        notes=result.notes,
        facts=_facts(result, n),
    )


def _curve(operating: Sequence[ThresholdRow], positives: int) -> Figure:
    there = [row for row in operating if row.predicted_positive]
    at = [row.threshold for row in there]
    precision = [effective_share(row.true_positive, row.predicted_positive, row.effective) for row in there]
    recall = [row.true_positive / max(1, positives) for row in there]
    shares = [one.value for one in precision], [one.low for one in precision], [one.high for one in precision]
    lines = [PlotSeries("precision", at, *shares), PlotSeries("recall", at, recall, recall, recall)]
    return accuracy_plot(lines, x_label="threshold", y_label="%")


def _rows(operating: Sequence[ThresholdRow], positives: int) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for row in operating:
        if round(row.threshold, 2) not in _SHOWN or not row.predicted_positive:
            continue
        precision = percent_cell(effective_share(row.true_positive, row.predicted_positive, row.effective))
        recall = f"{100 * row.true_positive / max(1, positives):.1f}"
        rows.append([f"{row.threshold:.2f}", precision, recall, f"{row.predicted_positive:,}"])
    return rows


def _facts(result: PairsTrainResult | PairsEvalResult, n: int) -> list[tuple[str, str]]:
    if isinstance(result, PairsEvalResult):
        return [("Pairs", f"{n:,} of {result.data}"), ("Scorer", result.model), ("Weights SHA-256", result.model_sha256)]
    parts = f"{result.n_train:,} training, {result.n_dev:,} dev and {count(n, 'test pair')} of {result.data}"
    return [("Pairs", parts), ("Scorer", result.model), ("Seed", str(result.seed)), ("Weights SHA-256", result.weights_sha256)]
