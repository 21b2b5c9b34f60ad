"""Files of `dlcli eval -o DIR` for scores: plots, and a page with them, the largest errors and all figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcli.core.evaluation.score_plots import residual_plot, scatter_plot
from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.figures import png
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Beside, CardImage, Cell, Chart, Gallery, PageTable, Part, text_cell, units_cell
from dlcli.core.html_report.vector import svg
from dlcli.engines.eval.explain import explanation_parts
from dlcli.engines.explanations import Explained
from dlcli.specs.figures import in_units, number_in_units
from dlcli.specs.score_text import metric_text, third_text
from dlcli.specs.scores import ScoreEvalResult, ScoreMistake
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.plural import count

FILES = ("scatter.png", "residuals.png", "report.html")
"""Files in the output folder."""

_NAMES = {
    "spearman": "Spearman's rank correlation",
    "pearson": "Pearson's correlation",
    "kendall": "Kendall's tau-b",
    "mae": "mean absolute error",
    "rmse": "root of the mean squared error",
}


@dataclass(frozen=True)
class ScorePictures:
    """What the page shows besides figures.

    Attributes:
        predicted: Predicted scores, (n,).
        truth: True ones, (n,).
        mistakes: The images with the largest errors, (m, c, h, w) in [0, 1].
        explained: Maps of what scores depend on; None without them.
    """

    predicted: NDArray[np.float64]
    truth: NDArray[np.float64]
    mistakes: NDArray[np.floating]
    explained: Explained | None = None


def write_scores(folder: Path, result: ScoreEvalResult, shown: ScorePictures) -> None:
    """Write the plots and report.html to `folder`, each file atomically."""
    scatter = scatter_plot(shown.predicted, shown.truth, unit=result.unit, title=_title(result))
    residuals = residual_plot(shown.predicted, shown.truth)
    for name, figure in zip(FILES, (scatter, residuals), strict=False):
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(png(figure))
    write_text(folder / FILES[-1], _page(result, shown, scatter, residuals).html())


def _page(result: ScoreEvalResult, shown: ScorePictures, scatter: Figure, residuals: Figure) -> Page:
    found = {one.name: one.estimate for one in result.metrics}
    first = found.get("spearman", found["mae"])
    value, _, interval = (str(first) if "spearman" in found else in_units(first)).partition(" ")
    what = "Spearman's correlation of predicted and true scores" if "spearman" in found else "the mean absolute error"
    charts: list[Part] = [
        Chart(svg(scatter, alt="Predicted against true scores"), "Predicted against true scores."),
        Chart(svg(residuals, alt="Errors over true scores"), "Errors over the scale, with their means."),
    ]
    return Page(
        title=f"{result.model} on {result.data}, {result.split} set",
        number=value,
        interval=interval,
        lead=f"is {what}, of {count(result.n_images, result.unit)}.",
        parts=[
            Beside(charts),
            *_mistakes(result.mistakes, shown.mistakes, result.unit),
            *explanation_parts(shown.explained),
            *_figures(result),
        ],
        notes=result.notes,
        facts=[
            (f"{result.unit}s".capitalize(), f"{result.n_images:,} of the {result.split} set of {result.data}"),
            ("Network", f"{result.model}, loss {result.loss}"),
            ("Seed and device", f"{result.seed}, {result.device}"),
            ("Weights SHA-256", result.model_sha256),
        ],
    )


def _title(result: ScoreEvalResult) -> str:
    """The correlation, and below it the ceiling."""
    found = next((one.estimate for one in result.metrics if one.name == "spearman"), None)
    lines = [] if found is None else [f"Spearman {found}"]
    rest = None if result.ceiling is None else result.ceiling.one_against_rest.get("spearman")
    return "\n".join(lines if rest is None else [*lines, f"ceiling: one rater against the others {rest}"])


def _mistakes(mistakes: Sequence[ScoreMistake], images: NDArray[np.floating], unit: str) -> list[Part]:
    if not mistakes:
        return []
    cards = [(_card(one, image, unit),) for one, image in zip(mistakes, images, strict=True)]
    return [Gallery("The largest errors: true → predicted. Look for wrong scores among them.", cards)]


def _card(one: ScoreMistake, image: NDArray[np.floating], unit: str) -> CardImage:
    name = f", {Path(one.file).name}" if one.file else ""
    return card_image(
        image, alt=f"The {unit} number {one.index}", line=f"{one.true:g} → {number_in_units(one.predicted)}{name}"
    )


def _figures(result: ScoreEvalResult) -> list[Part]:
    constant = {"mae": result.baseline.mae, "rmse": result.baseline.rmse}
    rows: list[list[Cell]] = [
        [_NAMES[one.name], text_cell(metric_text(one.name, one.estimate)), units_cell(constant.get(one.name))]
        for one in result.metrics
    ]
    thirds: list[list[Cell]] = [[third_text(third), units_cell(third.mae)] for third in result.thirds]
    return [
        PageTable("Figures with 95% intervals", ["metric", "value", "constant"], rows, strong=0),
        PageTable("Mean absolute error by third of the scores", ["", "error"], thirds),
    ]
