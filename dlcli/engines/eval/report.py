"""Files of `dlcli eval -o DIR`: plots, and an HTML page with all figures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlcli.core.evaluation.calibration import Reliability
from dlcli.core.evaluation.plots import MisclassifiedImage, confusion_plot, mistakes_grid, reliability_plot
from dlcli.core.html_report.figures import png
from dlcli.core.html_report.page import Cell, Page, PageTable, Picture, figure_cell
from dlcli.specs.diagnosis import Diagnosis
from dlcli.specs.eval import EvalResult
from dlcli.support.atomic import atomic_path, write_text


@dataclass(frozen=True)
class EvalFigures:
    """Data of the plots: mistakes (m, c, h, w), one frame of a video; confidence bins; confusion counts (classes, outputs)."""

    mistakes: np.ndarray
    bins: Reliability
    confusion: np.ndarray
    outputs: tuple[str, ...]


def write(folder: Path, result: EvalResult, shown: EvalFigures) -> None:
    """Write the plots and report.html to `folder`, each file atomically."""
    pictures = _pictures(result, shown)
    for name, picture in pictures.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(picture.png)
    if "mistakes.png" not in pictures:
        (folder / "mistakes.png").unlink(missing_ok=True)  # of an earlier run
    write_text(folder / "report.html", _page(result, list(pictures.values())).html())


def _pictures(result: EvalResult, shown: EvalFigures) -> dict[str, Picture]:
    ece = next(one.estimate for one in result.metrics if one.name == "ece")
    rows = [row.name for row in result.per_class]
    found = {
        "confusion.png": Picture(
            png(confusion_plot(shown.confusion, rows, shown.outputs)),
            alt="Confusion matrix: one row per true class, one column per predicted class",
            caption="Confusion matrix: counts, shaded by the share of the true class.",
        ),
        "reliability.png": Picture(
            png(reliability_plot(shown.bins, ece, unit=result.unit)),
            alt=f"Accuracy against confidence in bins, and the number of {result.unit}s in each bin",
            caption="Reliability: bars below the diagonal mean that the network is overconfident.",
        ),
    }
    if result.mistakes:
        pairs = zip(shown.mistakes, result.mistakes, strict=True)
        wrong = [MisclassifiedImage(image, one.true, one.predicted, one.probability) for image, one in pairs]
        found["mistakes.png"] = Picture(
            png(mistakes_grid(wrong, title="most confident mistakes: true → predicted")),
            alt=f"A grid of misclassified {result.unit}s",
            caption="The most confident mistakes: true → predicted. Look for wrong labels among them.",
        )
    return found


def _page(result: EvalResult, pictures: list[Picture]) -> Page:
    top = result.metrics[0].estimate
    return Page(
        title=f"{result.model} on {result.data}, {result.split} set",
        lead=f"{top.value:.3f} of {top.n:,} {result.unit}s are right (95% interval {top.low:.3f} to {top.high:.3f}).",
        facts=[
            (f"{result.unit}s".capitalize(), f"{result.n_images:,} of the {result.split} set of {result.data}"),
            ("Network", result.model),
            ("Weights SHA-256", result.model_sha256),
            ("Seed and device", f"{result.seed}, {result.device}"),
        ],
        tables=[*_gaps(result.diagnosis), *_slices(result), _figures(result), _classes(result)],
        pictures=pictures,
        notes=result.notes,
    )


def _slices(result: EvalResult) -> list[PageTable]:
    if not result.slices:
        return []
    rows: list[list[Cell]] = [
        [row.column, row.name, str(row.accuracy.n), figure_cell(row.accuracy), figure_cell(row.minus_rest), row.status]
        for row in result.slices
    ]
    strong = next(k for k, row in enumerate(result.slices) if f"{row.column}={row.name}" == result.worst_slice)
    head = ["column", "value", f"{result.unit}s", "accuracy", "minus all others", "status"]
    return [PageTable("Accuracy by subgroup", head, rows, strong)]


def _figures(result: EvalResult) -> PageTable:
    rows = [[one.name, figure_cell(one.estimate)] for one in result.metrics]
    return PageTable("Figures with 95% intervals", ["metric", "value"], rows, strong=0)


def _classes(result: EvalResult) -> PageTable:
    rows = [
        [row.name, str(row.accuracy.n) if row.accuracy else "0", figure_cell(row.accuracy), row.most_confused_with or "–"]
        for row in result.per_class
    ]
    return PageTable("Accuracy of each class", ["class", f"{result.unit}s", "accuracy", "most confused with"], rows)


def _gaps(diagnosis: Diagnosis | None) -> list[PageTable]:
    if diagnosis is None:
        return []
    gaps: list[list[Cell]] = []
    for gap in diagnosis.gaps:
        between = f"{gap.upper} to {gap.lower}" if gap.difference else "–"
        gaps.append([gap.name, between, figure_cell(gap.difference), gap.status])
    strong = next((k for k, gap in enumerate(diagnosis.gaps) if gap.name == diagnosis.largest), None)
    suggestions = [[one.gap, one.what, one.command] for one in diagnosis.suggestions]
    ladder = PageTable("Where the error comes from", ["cause", "between", "gap", "status"], gaps, strong)
    return [
        ladder,
        *([PageTable("What to try", ["gap", "suggestion", "command"], suggestions, words=3)] if suggestions else []),
    ]
