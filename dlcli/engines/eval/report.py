"""Files of `dlcli eval -o DIR`: plots, and an HTML page with all figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcli.core.evaluation.calibration import Reliability
from dlcli.core.evaluation.curve_plots import curves_plot, drawn_classes, risk_plot
from dlcli.core.evaluation.plots import MisclassifiedImage, confusion_plot, mistakes_grid, reliability_plot
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.html_report.figures import png
from dlcli.core.html_report.parts import Chart, Part
from dlcli.core.html_report.vector import svg
from dlcli.engines.eval.against import ComparedClassifiers
from dlcli.engines.eval.comparison_page import comparison_parts
from dlcli.engines.eval.explain import explanation_parts
from dlcli.engines.eval.measured import abstention_note
from dlcli.engines.eval.page import EvalPictures, eval_page
from dlcli.engines.explanations import Explained
from dlcli.specs.eval import EvalResult
from dlcli.support.atomic import atomic_path, write_text


@dataclass(frozen=True)
class EvalFigures:
    """Data of the plots.

    Attributes:
        mistakes: Pictures (m, c, h, w), one frame of a video; None without pictures.
        bins: Accuracy by confidence; None without probabilities.
        confusion: Counts (classes, outputs).
        predictions: The predictions.
        output_of: Which output is which class of the data, (classes,).
        explained: Maps; None without `explain`.
        compared: The comparison with another classifier; None without `against`.
        checks: The parts of the page about suspected labels and near duplicates.
    """

    mistakes: np.ndarray | None
    bins: Reliability | None
    confusion: np.ndarray
    predictions: Predictions
    output_of: NDArray[np.integer]
    explained: Explained | None = None
    compared: ComparedClassifiers | None = None
    checks: Sequence[Part] = ()


def write(folder: Path, result: EvalResult, shown: EvalFigures) -> None:
    """Write the plots and report.html to `folder`, each file atomically."""
    pictures = _pictures(result, shown)
    files = {"confusion.png": pictures.confusion, "reliability.png": pictures.reliability, "mistakes.png": None}
    if pictures.mistakes:
        files["mistakes.png"] = mistakes_grid(pictures.mistakes, title="most confident mistakes: true → predicted")
    for name, figure in files.items():
        if figure is None:
            (folder / name).unlink(missing_ok=True)  # of an earlier run
            continue
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(png(figure))
    write_text(folder / "report.html", eval_page(result, pictures).html())


def _pictures(result: EvalResult, shown: EvalFigures) -> EvalPictures:
    ece = next((one.estimate for one in result.metrics if one.name == "ece"), None)
    pairs = [] if shown.mistakes is None else list(zip(shown.mistakes, result.mistakes, strict=True))
    return EvalPictures(
        confusion=confusion_plot(shown.confusion, [row.name for row in result.per_class], shown.predictions.outputs),
        curves=_curves(result, shown),
        reliability=None if shown.bins is None or ece is None else reliability_plot(shown.bins, ece, unit=result.unit),
        explained=[
            *_comparison(result, shown.compared),
            *_abstention(result, shown),
            *explanation_parts(shown.explained),
            *shown.checks,
        ],
        mistakes=[MisclassifiedImage(image, one.true, one.predicted, one.probability or 0.0) for image, one in pairs],
    )


def _abstention(result: EvalResult, shown: EvalFigures) -> list[Part]:
    sure = shown.predictions.confidence
    if result.abstention is None or sure is None:
        return []
    drawn = svg(risk_plot(sure, shown.predictions.correct, result.abstention), alt="Errors among answers by the share answered")
    return [Chart(drawn, abstention_note(result.abstention, result.unit))]


def _comparison(result: EvalResult, compared: ComparedClassifiers | None) -> list[Part]:
    return [] if compared is None else comparison_parts(compared.comparison, compared.pictures, result.unit)


def _curves(result: EvalResult, shown: EvalFigures) -> Figure | None:
    """Curves of the classes with the lowest average precision; None without probabilities."""
    rows = drawn_classes([None if row.ap is None else row.ap.value for row in result.per_class])
    log_p = shown.predictions.log_p
    if log_p is None or not rows:
        return None
    names = [result.per_class[k].name for k in rows]
    return curves_plot(log_p, shown.predictions.y, [int(shown.output_of[k]) for k in rows], names)
