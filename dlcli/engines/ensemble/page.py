"""The page of `dlcli ensemble`: the gain by the number of members, and the tables."""

from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Bar, Bars, Cell, Chart, Fold, PageTable, figure_cell, percent, percent_cell
from dlcli.specs.ensemble import EnsembleResult, EnsembleRow
from dlcli.support.plural import count


def ensemble_page(result: EnsembleResult, top: EnsembleRow, gains: Chart) -> Page:
    """The page of a result with its headline and the chart of gains."""
    found = percent(top.accuracy)
    gain = f", {' '.join(percent(top.gain))} points more than their mean" if top.gain else ""
    whole = [row for row in result.rows if row.members == top.members]
    return Page(
        title=f"{count(top.members, 'network')} of {result.model} on {result.data}",
        number=f"{found.value}%",
        interval=found.interval,
        lead=f"of {count(result.n_test, f'test {result.unit}')} are right by the {top.classifier} of "
        f"{count(top.members, 'member')}{gain}.",
        parts=[
            gains,
            Bars(
                f"Test accuracy of {count(top.members, 'member')}, n {result.n_test:,}",
                ("test accuracy",),
                [Bar(row.classifier, (row.accuracy,), strong=row.classifier == top.classifier) for row in whole],
            ),
            _table(whole, top),
            _diversity(result),
            Fold("Fewer members, and each member", [_by_number(result), _members(result)]),
        ],
        notes=result.notes,
        facts=[
            ("Data", f"{result.data}: {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"),
            ("Training", f"strategy {result.strategy}, seed {result.seed}, {result.device}"),
            ("Members SHA-256", result.model_sha256),
        ],
    )


def _table(rows: list[EnsembleRow], top: EnsembleRow) -> PageTable:
    cells: list[list[Cell]] = [
        [
            row.classifier,
            percent_cell(row.gain),
            percent_cell(row.accuracy),
            percent_cell(row.minus_mean),
            percent_cell(row.ece),
            figure_cell(row.nll),
        ]
        for row in rows
    ]
    head = ["classifier", "gain over the mean of members", "accuracy", "minus mean rule", "calibration error (ECE)"]
    strong = [row.classifier for row in rows].index(top.classifier)
    caption = "Figures in %, log-likelihood in nats; of the last two, lower is better"
    return PageTable(caption, [*head, "negative log-likelihood"], cells, strong)


def _diversity(result: EnsembleResult) -> PageTable:
    rows: list[list[Cell]] = [
        [str(one.members), percent_cell(one.disagreement), figure_cell(one.error_correlation)] for one in result.diversity
    ]
    return PageTable("How differently two members decide", ["members", "disagreement, %", "correlation of errors"], rows)


def _by_number(result: EnsembleResult) -> PageTable:
    rows: list[list[Cell]] = [
        [f"{row.members}: {row.classifier}", percent_cell(row.accuracy), percent_cell(row.gain)] for row in result.rows
    ]
    return PageTable(
        "By number of members, in %", ["members and classifier", "accuracy", "gain over the mean of members"], rows
    )


def _members(result: EnsembleResult) -> PageTable:
    rows: list[list[Cell]] = [
        [str(one.member), percent_cell(one.accuracy), one.model, f"{one.n_train:,}" if one.n_train else "–", one.weights_sha256]
        for one in result.members
    ]
    return PageTable("Members", ["member", "accuracy, %", "network", f"training {result.unit}s", "weights SHA-256"], rows)
