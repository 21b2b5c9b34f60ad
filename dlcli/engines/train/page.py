"""The pages of `dlcli train -o DIR`: of one network, and of a comparison."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from matplotlib.figure import Figure

from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Bar, Bars, Cell, Chart, PageTable, Part, figure_cell, percent, percent_cell
from dlcli.core.html_report.vector import svg
from dlcli.engines.train.pretraining_page import equal_parts, probe_parts
from dlcli.specs.pretraining_result import all_rows
from dlcli.specs.train_result import Comparison, TrainResult, TrainRow
from dlcli.support.plural import count

_SHARES = ("test accuracy", "training accuracy")
"""The metrics that are shares, shown in percent."""

_CAPTION = (
    "Accuracies, and the loss of the other set, are those after each epoch; training loss is the mean over the epoch, while "
    "the network still changed."
)


def run_page(result: TrainResult, history: Figure) -> Page:
    """The page of one trained network.

    Args:
        result: The result, with one row.
        history: Its accuracies and losses over epochs.
    """
    (row,) = result.rows
    found, unit = percent(row.accuracy), result.unit
    return Page(
        title=f"{result.model} on {result.data}",
        number=f"{found.value}%",
        interval=found.interval,
        lead=f"of {count(result.n_test, f'test {unit}')} are right after {row.best_epoch} of "
        f"{count(row.epochs, 'epoch')}; of "
        f"{count(row.n_watched, f'training {unit}')} {100 * row.train_accuracy:.1f}%.",
        parts=[Chart(svg(history, alt="Accuracy and loss by epoch"), _CAPTION), *probe_parts(result)],
        notes=result.notes,
        facts=[*_facts(result), ("Seed", str(row.seed)), ("Weights SHA-256", row.weights_sha256)],
    )


def comparison_page(result: TrainResult, curves: Figure, *, watched: str) -> Page:
    """The page of a comparison.

    Args:
        result: The result.
        curves: Learning curves over epochs, with the paired differences below if there are two variants.
        watched: The set on which accuracy is followed, "dev" or "test".
    """
    names = list(dict.fromkeys(row.variant for row in result.rows))
    head = _head(result, names)
    shown = f"{watched.capitalize()} accuracy after each epoch: mean and range over seeds"
    below = (
        "; below, the mean paired difference with its 95% interval. The axes fit what follows the first quarter of the epochs"
    )
    below = below if len(names) == 2 else ""
    return Page(
        title=f"{', '.join(names[:-1])} or {names[-1]}: {result.model} on {result.data}",
        number=head.number,
        interval=head.interval,
        lead=head.lead,
        parts=[
            Chart(svg(curves, alt=f"Learning curves of {', '.join(names)}"), f"{shown}{below}."),
            _bars(result, names),
            *_differences(result, names),
            *_by_seed(result, names),
            *equal_parts(result),
            *probe_parts(result),
            _networks(result),
        ],
        notes=result.notes,
        facts=_facts(result),
    )


class _Head(NamedTuple):
    """The headline of a page."""

    number: str
    interval: str
    lead: str


def _head(result: TrainResult, names: Sequence[str]) -> _Head:
    """Of two variants their difference, of more the highest accuracy."""
    if len(names) == 2 and result.comparisons:
        one = result.comparisons[0]
        found, first, second = percent(one.difference), f"{100 * one.first:.1f}%", f"{100 * one.second:.1f}%"
        sides = f"{names[0]} {first}, {names[1]} {second}"
        return _Head(
            f"{found.value} points",
            found.interval,
            f"of {one.metric}, {one.verdict}: {sides}, over {count(one.difference.n, 'pair')} on these "
            f"{count(result.n_test, f'test {result.unit}')}.",
        )
    means = {name: fmean(row.accuracy.value for row in result.rows if row.variant == name) for name in names}
    best = max(means, key=lambda name: means[name])
    clear = [" and ".join(one.variants) for one in result.comparisons if one.verdict == "established"]
    differ = f"Established differences: {'; '.join(clear)}." if clear else "No difference is established."
    lead = f"is the highest mean test accuracy, of {best}; the highest of several is biased upwards. {differ}"
    return _Head(f"{100 * means[best]:.1f}%", "", lead)


def _facts(result: TrainResult) -> list[tuple[str, str]]:
    changed = f" with {', '.join(result.surgery)}" if result.surgery else ""
    return [
        ("Data", f"{result.data}: {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"),
        ("Network", f"{result.model}{changed}"),
        ("Device", result.device),
    ]


def _bars(result: TrainResult, names: Sequence[str]) -> Bars:
    rows = sorted(result.rows, key=lambda row: names.index(row.variant))
    bars = [Bar(row.variant, (row.accuracy,), f"seed {row.seed}") for row in rows]
    return Bars(f"Test accuracy of each network, n {result.n_test:,}", ("test accuracy",), bars)


def _differences(result: TrainResult, names: Sequence[str]) -> list[Part]:
    if not result.comparisons:
        return []
    if len(names) > 2:
        pairs: list[list[Cell]] = [
            [" minus ".join(one.variants), percent_cell(one.difference), one.verdict, _p(one)] for one in result.comparisons
        ]
        return [PageTable("Test accuracy, paired differences in points", ["variants", "difference", "verdict", "p"], pairs)]
    rows = [_metric(one, result.shown(one.metric)) for one in result.comparisons]
    return [PageTable("Paired differences over seeds", ["metric", "difference", "verdict", *names, "p"], rows, 0)]


def _metric(one: Comparison, name: str) -> list[Cell]:
    share = one.metric in _SHARES
    found = percent_cell(one.difference) if share else figure_cell(one.difference, decimals=1)
    sides = (f"{(100 if share else 1) * side:.1f}" for side in (one.first, one.second))
    return [f"{name}, %" if share else name, found, one.verdict or "not tested", *sides, _p(one)]


def _p(one: Comparison) -> str:
    return "–" if one.p is None else f"{one.p:.2g}"


def _by_seed(result: TrainResult, names: Sequence[str]) -> list[Part]:
    """The pairs of two variants."""
    if len(names) != 2:
        return []
    first, second = ({row.seed: row.accuracy for row in result.rows if row.variant == name} for name in names)
    rows: list[list[Cell]] = [
        [
            str(seed),
            f"{100 * (first[seed].value - second[seed].value):+.1f}",
            percent_cell(first[seed]),
            percent_cell(second[seed]),
        ]
        for seed in first
        if seed in second
    ]
    return [PageTable("Test accuracy by seed, in %", ["seed", "difference", *names], rows)]


def _networks(result: TrainResult) -> PageTable:
    head = ["variant", "test accuracy, %", "seed", "training accuracy, %", "epochs", "training loss", "best epoch"]
    counts = map(result.shown, ("epochs to fit", "epochs to level"))
    return PageTable("All networks", [*head, *counts], [_network(row) for row in all_rows(result)])


def _network(row: TrainRow) -> list[Cell]:
    counts = [str(number or "–") for number in (row.best_epoch, row.epochs_to_fit, row.epochs_to_level)]
    training = f"{100 * row.train_accuracy:.1f}"
    return [row.variant, percent_cell(row.accuracy), str(row.seed), training, str(row.epochs), f"{row.train_loss:.3g}", *counts]
