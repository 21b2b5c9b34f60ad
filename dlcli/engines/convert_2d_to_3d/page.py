"""The page that `dlcli convert-2d-to-3d -o FILE` leaves beside the network: the equivalence check, and what changed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dlcli.core.html_report.figures import COLOURS, plain
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Cell, Chart, Fold, PageTable
from dlcli.core.html_report.vector import svg
from dlcli.specs.convert_2d_to_3d import TOLERANCE, Convert2DTo3DResult, InflatedLayer, VerificationRow
from dlcli.support.atomic import write_text
from dlcli.support.plural import count

_GREY = "#70707a"
_MOST_NAMES = 30


def page_path(weights: Path) -> Path:
    """The file of the page of a network."""
    return weights.with_suffix(".html")


def write_page(result: Convert2DTo3DResult) -> None:
    """Write the page of a network that was written."""
    write_text(page_path(Path(result.file)), _page(result).html())


def _page(result: Convert2DTo3DResult) -> Page:
    height, width = result.verification_size
    chart = svg(errors_plot(result.verification), alt="Relative errors of still clips by stage, for each number of frames")
    return Page(
        title=f"{result.model} inflated by {result.rule}",
        number=f"{result.agree:,} of {result.compared:,}",
        lead=f"predictions for still clips are those for their images, at {height}x{width} pixels; the largest relative error "
        f"in float64 is {result.worst:.2g}. {count(len(result.layers), 'layer')} can look at several frames.",
        parts=[
            Chart(
                chart,
                "Equivalence check: relative error of a still clip beside its image after each stage; errors of exactly 0 are "
                f"not drawn. The dashed line is the largest error that passes in float64, {TOLERANCE:g}.",
            ),
            _changes(result),
            Fold(f"The {count(len(result.layers), 'inflated layer')}", [_layers(result.layers)]),
            Fold("Figures of the equivalence check", [_errors(result.verification)]),
        ],
        notes=result.notes,
        facts=[
            ("Check", f"{result.verification_images} random images of {height}x{width} pixels, seed {result.seed}"),
            ("Network", Path(result.file).name),
            ("Weights SHA-256", result.weights_sha256),
        ],
    )


def errors_plot(rows: Sequence[VerificationRow]) -> Figure:
    """Relative errors over stages on a log scale: a colour for each number of frames, float32 above float64."""
    figure = Figure(figsize=(6.6, 4.0), layout="constrained")
    axes = figure.subplots()
    stages = list(dict.fromkeys(row.stage for row in rows))
    lengths = list(dict.fromkeys(row.frames for row in rows))
    for k, frames in enumerate(lengths, 1):
        own = {row.stage: row for row in rows if row.frames == frames}
        double, single = zip(*((own[stage].error_float64, own[stage].error_float32) for stage in stages), strict=True)
        # Lines that lie on each other are all seen if the first are wider.
        colour, width, name = COLOURS[k % len(COLOURS)], 1.5 + 2 * (len(lengths) - k), count(frames, "frame")
        axes.plot(_positive(double), color=colour, linewidth=width, marker="o", label=f"{name}, float64")
        axes.plot(_positive(single), color=colour, linewidth=width, linestyle=":", label=f"{name}, float32")
    every = -(-len(stages) // _MOST_NAMES)
    axes.set_xticks(range(0, len(stages), every), stages[::every], rotation=90, fontsize=9, parse_math=False)
    axes.axhline(TOLERANCE, color=_GREY, linewidth=1, linestyle="--")
    axes.set(yscale="log", ylabel="relative error", xlabel="stage")
    plain(axes)
    figure.legend(loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    return figure


def _positive(errors: Sequence[float]) -> list[float]:
    """The errors, with a gap where there is none: a log scale has no 0."""
    return [error if error > 0 else np.nan for error in errors]


def _changes(result: Convert2DTo3DResult) -> PageTable:
    before, after = result.parameters_before, result.parameters_after
    head = f"before {result.head}" if result.head else "at the end of the network"
    rows: list[list[Cell]] = [
        ["parameters", f"{after:,}", f"{before:,}"],
        ["layers that read several frames", f"{len(result.layers):,}", "0"],
        ["frames are averaged", head, "–"],
    ]
    return PageTable("What changed", ["", "video network", "image network"], rows)


def _layers(layers: Sequence[InflatedLayer]) -> PageTable:
    rows = [[layer.path, _shape(layer.after), _shape(layer.before)] for layer in layers]
    return PageTable("Shapes of weights", ["layer", "after", "before"], rows)


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _errors(rows: Sequence[VerificationRow]) -> PageTable:
    cells = [[row.stage, f"{row.error_float64:.2g}", f"{row.error_float32:.2g}", str(row.frames)] for row in rows]
    return PageTable("Relative errors of still clips beside their images", ["stage", "float64", "float32", "frames"], cells)
