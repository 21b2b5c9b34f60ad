"""The files that `dlcli probe-gradients -o DIR` leaves: pictures, and a page with all figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dlcli.core.gradients.plots import acf_plot, layer_strip, lesion_bars, path_curve
from dlcli.core.html_report.figures import png
from dlcli.core.html_report.page import Cell, Page, PageTable, Picture, figure_cell
from dlcli.engines.probe_gradients.path_gradients import PathGradients, mean_curve
from dlcli.specs.probe_gradients import KINDS, LayerRow, ProbeGradientsResult
from dlcli.support.atomic import atomic_path, write_text

_STRIPS = {"": "layers.png"} | {kind: f"layers-{kind}.png" for kind in KINDS}
PICTURES = ("autocorrelation.png", *_STRIPS.values(), "lesion.png", "paths.png")


def write(folder: Path, result: ProbeGradientsResult, lines: Mapping[str, Sequence[PathGradients]]) -> None:
    """Leave the pictures and report.html in `folder`, each whole or not at all; pictures of an earlier run go."""
    pictures = _pictures(result, lines)
    for name, picture in pictures.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(picture.png)
    for name in set(PICTURES) - set(pictures):
        (folder / name).unlink(missing_ok=True)
    write_text(folder / "report.html", _page(result, list(pictures.values())).html())


def _pictures(result: ProbeGradientsResult, lines: Mapping[str, Sequence[PathGradients]]) -> dict[str, Picture]:
    curves = {name: curve for name, found in lines.items() if (curve := mean_curve(found)) is not None}
    found = {
        "autocorrelation.png": Picture(
            png(acf_plot(curves, result.rows[0].points)),
            alt="Autocorrelation of the gradient over lags, beside white and Brownian noise",
            caption="Autocorrelation by lag, beside noise of as many points; the band holds 95% of white noise.",
        )
    }
    for network, layers in _by_network(result).items():
        kind = "" if result.model else network.rpartition("-")[0]
        found[_STRIPS[kind]] = Picture(
            png(layer_strip(layers)),
            alt=f"A strip for each figure of each activation of {network}, from input to output",
            caption=f"Activations of {network} from input to output: shares of units (co-active: 0.25 "
            "where two inputs have nothing in common), variance, and the gradient that comes back.",
        )
    if result.lesions:
        found["lesion.png"] = Picture(
            png(lesion_bars(result.lesions)),
            alt="Accuracy without each block",
            caption="Accuracy without each block, the largest loss first; the line is the whole network.",
        )
    if result.path_lengths:
        found["paths.png"] = Picture(
            png(path_curve(result.path_lengths)),
            alt="Shares of paths and of gradient by path length",
            caption="Paths by how many residual branches they take: shares of all paths, and of all gradient.",
        )
    return found


def _by_network(result: ProbeGradientsResult) -> dict[str, list[LayerRow]]:
    """The activations of each network that has any."""
    rows: dict[str, list[LayerRow]] = {}
    for one in result.layers:
        rows.setdefault(one.network, []).append(one)
    return rows


def _page(result: ProbeGradientsResult, pictures: list[Picture]) -> Page:
    said = "; ".join(f"{row.network}: {row.verdict}" for row in result.rows)
    by = "its input" if result.wrt == "input" else result.wrt
    facts = [
        ("Derived", f"the {result.target} by {by}, along lines of kind {result.path}"),
        ("Batch normalisation", f"by {result.bn} statistics"),
        ("Seed and device", f"{result.seed}, {result.device}"),
    ]
    if result.model:
        facts = [("Network", result.model), ("Weights SHA-256", result.model_sha256), ("Data", result.data), *facts]
    return Page(
        title=f"The gradients of {result.model or 'four kinds of networks'}",
        lead=said + ".",
        facts=facts,
        tables=[_gradients(result), *_causes(result), *_paths(result)],
        pictures=pictures,
        details=[*_lesions(result), *_layers(result)],
        notes=result.notes,
    )


def _gradients(result: ProbeGradientsResult) -> PageTable:
    rows: list[list[Cell]] = [
        [
            row.network,
            str(row.n),
            *map(figure_cell, (row.acf1, row.acf5, row.acf15)),
            *map(_plain, (row.slope, row.length_steps, row.length, row.length_share, row.cosine)),
            row.verdict,
        ]
        for row in result.rows
    ]
    head = ["network", "lines", "lag 1", "lag 5", "lag 15", "slope", "length, steps", "length, input units"]
    head += ["length / neighbour distance", "mean cosine", "verdict"]
    return PageTable("Autocorrelation of the gradient", head, rows)


def _causes(result: ProbeGradientsResult) -> list[PageTable]:
    rows: list[list[Cell]] = [[one.name, one.evidence, move] for one in result.causes for move in one.suggestions or ("–",)]
    return [PageTable("Likely causes, and what to try", ["cause", "evidence", "command"], rows, words=3)] if rows else []


def _layers(result: ProbeGradientsResult) -> list[PageTable]:
    head = ["activation", "units", "mean", "variance", "active", "co-active", "dead", "gradient, rms", "gradient, cosine"]
    return [
        PageTable(f"Activations of {network}, from input to output", head, [_activation(one) for one in layers])
        for network, layers in _by_network(result).items()
    ]


def _activation(one: LayerRow) -> list[Cell]:
    figures = (one.mean, one.variance, one.active, one.coactive, one.dead, one.gradient, one.cosine)
    return [one.layer, f"{one.units:,}", *map(_plain, figures)]


def _lesions(result: ProbeGradientsResult) -> list[PageTable]:
    rows: list[list[Cell]] = [
        [row.block or "whole network", figure_cell(row.accuracy), figure_cell(row.change)] for row in result.lesions
    ]
    return [PageTable("Accuracy without each block", ["block", "accuracy", "change"], rows, 0)] if rows else []


def _paths(result: ProbeGradientsResult) -> list[PageTable]:
    found = result.path_summary
    if found is None:
        return []
    effective = f"{found.effective_low} to {found.effective_high} of {len(result.path_lengths) - 1}"
    rows = [["mean", _plain(found.mean_by_count), _plain(found.mean_by_gradient)], ["95% of the gradient", "–", effective]]
    return [PageTable("Lengths of paths, in residual branches", ["", "by count", "by gradient"], rows)]


def _plain(found: float | None) -> str:
    return "–" if found is None else f"{found:.3g}"
