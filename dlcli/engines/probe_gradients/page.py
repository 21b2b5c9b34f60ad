"""The page of `dlcli probe-gradients -o DIR`: verdicts, autocorrelation, layers over depth, and the tables."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Cell, Chart, Fold, PageTable, Part, figure_cell, percent_cell
from dlcli.core.html_report.vector import svg
from dlcli.specs.probe_gradients import LayerRow, ProbeGradientsResult
from dlcli.support.plural import count

_MEANINGS = {
    "linear": "the gradient does not change along the line",
    "white": "gradients of neighbours are as unrelated as noise",
    "shattered": "gradients of neighbours are hardly related",
    "partial": "some structure is left",
    "healthy": "the gradient changes smoothly",
    "undecided": "too few points or lines to tell",
}
_BAD = ("white", "shattered")

_CAPTIONS = {
    "autocorrelation.png": (
        "Autocorrelation of the gradient by lag, with 95% intervals over lines or networks, beside noise of as many points; "
        "the grey band holds 95% of white noise."
    ),
    "layers.png": (
        "Activations from input to output: variance, the gradient that comes back, and shares of units (co-active is 0.25 "
        "where two inputs have nothing in common)."
    ),
    "lesion.png": "Accuracy without each block, the largest loss first; the line is the whole network.",
    "paths.png": "Paths by how many residual branches they take: shares of all paths, and of all gradient.",
}
_ALTS = {
    "autocorrelation.png": "Autocorrelation of the gradient over lags, beside white and Brownian noise",
    "layers.png": "Figures of each activation over depth, a line for each network",
    "lesion.png": "Accuracy without each block",
    "paths.png": "Shares of paths and of gradient by path length",
}


def probe_page(result: ProbeGradientsResult, pictures: Mapping[str, Figure]) -> Page:
    """The page of a result with its pictures, by their file names."""
    charts = {name: Chart(svg(figure, alt=_ALTS[name]), _CAPTIONS[name]) for name, figure in pictures.items()}
    return Page(
        title=f"Gradients of {result.model or ', '.join(row.network for row in result.rows)}",
        number=_number(result),
        lead=_lead(result),
        parts=[
            charts.pop("autocorrelation.png"),
            _gradients(result),
            *_causes(result),
            *_trials(result),
            *charts.values(),
            *_paths(result),
            *_lesions(result),
            *_layers(result),
        ],
        notes=result.notes,
        facts=_facts(result),
    )


def _number(result: ProbeGradientsResult) -> str:
    """The verdict on one network, or of several how many have gradients like noise."""
    rows = result.rows
    if len(rows) > 1:
        return f"{sum(row.verdict in _BAD for row in rows)} of {len(rows)}"
    # The verdict is about the autocorrelation alone; a network with dead units is not healthy.
    return "smooth" if rows[0].verdict == "healthy" and result.causes else rows[0].verdict


def _lead(result: ProbeGradientsResult) -> str:
    rows = result.rows
    if len(rows) == 1:
        said = f"{rows[0].network}: {_MEANINGS[rows[0].verdict]}"
    else:
        each = "; ".join(f"{row.network}: {row.verdict}, {_MEANINGS[row.verdict]}" for row in rows)
        said = f"networks have white or shattered gradients. {each}"
    if result.causes:
        said += f"; training may be hindered by {', '.join(dict.fromkeys(one.name for one in result.causes))}"
    helps = [one.surgery for one in result.trials if one.established and one.difference.value > 0]
    tried = f" Established to help: {', '.join(helps) or 'none of what was tried'}." if result.trials else ""
    return f"{said}.{tried}"


def _facts(result: ProbeGradientsResult) -> list[tuple[str, str]]:
    by = "its input" if result.wrt == "input" else result.wrt
    facts = [
        ("Gradient", f"of the {result.target} with respect to {by}, along lines of kind {result.path}"),
        ("Batch normalisation", f"by {result.bn} statistics"),
        ("Seed and device", f"{result.seed}, {result.device}"),
    ]
    if not result.model:
        return facts
    return [("Network", result.model), ("Data", result.data), *facts, ("Weights SHA-256", result.model_sha256)]


def _gradients(result: ProbeGradientsResult) -> PageTable:
    rows: list[list[Cell]] = [
        [
            row.network,
            row.verdict,
            *map(figure_cell, (row.acf1, row.acf5, row.acf15)),
            str(row.n),
            *map(_plain, (row.slope, row.length_steps, row.length, row.length_share, row.cosine)),
        ]
        for row in result.rows
    ]
    head = ["network", "verdict", "lag 1", "lag 5", "lag 15", "lines", "slope of the spectrum", "length, steps"]
    head += ["length, input units", "length / neighbour distance", "mean cosine"]
    return PageTable("Autocorrelation of the gradient", head, rows, words=2)


def _causes(result: ProbeGradientsResult) -> list[Part]:
    rows: list[list[Cell]] = [[one.name, one.evidence, move] for one in result.causes for move in one.suggestions or ("–",)]
    return [PageTable("Likely causes, and what to try", ["cause", "evidence", "command"], rows, words=3)] if rows else []


def _trials(result: ProbeGradientsResult) -> list[Part]:
    if not result.trials:
        return []
    first = result.trials[0]
    shares = bool(first.scale)
    rows: list[list[Cell]] = [
        [
            one.surgery,
            one.verdict,
            _mean(one.without, shares),
            _mean(one.with_it, shares),
            percent_cell(one.difference) if shares else figure_cell(one.difference),
            "–" if one.p is None else f"{one.p:.2g}",
        ]
        for one in result.trials
    ]
    unit = ", %" if shares else ""
    head = ["surgery", "verdict", f"without{unit}", f"with{unit}", f"difference{', points' if shares else ''}", "p by Holm"]
    title = (
        f"What was tried: {first.metric}, {count(first.difference.n, 'pair')} of networks, "
        f"{count(first.n_test, 'test example')}"
    )
    return [PageTable(title, head, rows, words=2)]


def _mean(value: float, shares: bool) -> str:
    return f"{100 * value:.1f}" if shares else f"{value:.3f}"


def _layers(result: ProbeGradientsResult) -> list[Part]:
    head = ["activation", "variance", "gradient, rms", "active", "dead", "co-active", "mean", "gradient, cosine", "units"]
    return [
        Fold(f"Figures of the activations of {network}", [PageTable(_ACTIVATIONS, head, [_activation(one) for one in layers])])
        for network, layers in by_network(result).items()
    ]


_ACTIVATIONS = "Activations from input to output"


def _activation(one: LayerRow) -> list[Cell]:
    figures = (one.variance, one.gradient, one.active, one.dead, one.coactive, one.mean, one.cosine)
    return [one.layer, *map(_plain, figures), f"{one.units:,}"]


def _lesions(result: ProbeGradientsResult) -> list[Part]:
    rows: list[list[Cell]] = [
        [f"{row.block} ({row.kind})" if row.block else "whole network", percent_cell(row.change), percent_cell(row.accuracy)]
        for row in result.lesions
    ]
    if not rows:
        return []
    table = PageTable("Accuracy without each block, in %", ["block", "change, points", "accuracy, %"], rows, 0)
    return [Fold("Figures of the removed blocks", [table])]


def _paths(result: ProbeGradientsResult) -> list[Part]:
    found = result.path_summary
    if found is None:
        return []
    effective = f"{found.effective_low} to {found.effective_high} of {len(result.path_lengths) - 1}"
    rows = [["mean", _plain(found.mean_by_gradient), _plain(found.mean_by_count)], ["95% of the gradient", effective, "–"]]
    return [PageTable("Lengths of paths, in residual branches", ["", "by gradient", "by count"], rows)]


def _plain(found: float | None) -> str:
    return "–" if found is None else f"{found:.3g}"


def by_network(result: ProbeGradientsResult) -> dict[str, list[LayerRow]]:
    """The activations of each network that has any."""
    rows: dict[str, list[LayerRow]] = {}
    for one in result.layers:
        rows.setdefault(one.network, []).append(one)
    return rows
