"""The page of `dlcli eval -o DIR`: accuracy, mistakes and the confusion matrix, classes, reliability, and the tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from dlcli.core.evaluation.curve_plots import MOST_CURVES
from dlcli.core.evaluation.plots import MisclassifiedImage
from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.figures import verdict
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import (
    Bar,
    Bars,
    Beside,
    CardImage,
    Cell,
    Chart,
    Fold,
    Gallery,
    PageTable,
    Part,
    figure_cell,
    percent,
    percent_cell,
)
from dlcli.core.html_report.vector import svg
from dlcli.specs.class_figures import OF_A_CLASS, OVERALL, ClassAccuracy
from dlcli.specs.diagnosis import Diagnosis
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.eval import EvalResult, Metric
from dlcli.support.plural import count

_METRICS = {
    "top-1": "top-1 accuracy, %",
    "top-5": "top-5 accuracy, %",
    "worst-class": "accuracy of the worst class, %",
    "worst-slice": "accuracy of the worst subgroup, %",
    "nll": "negative log-likelihood (nll), nats; lower is better",
    "brier": "Brier score (brier), 0 to 2; lower is better",
    "ece": "expected calibration error (ece), %; lower is better",
}
_METRICS |= {name: f"{text}, from -1 to 1" if name == "mcc" else f"{text}, %" for name, text in OVERALL.items()}
_HEADS = {"f1": "F1", "auc": "AUC", "ap": "AP"}
_IN_PERCENT = ("top-1", "top-5", "worst-class", "worst-slice", "ece", *(name for name in OVERALL if name != "mcc"))
_FIRST = 12
_BESIDE = 15
"""Up to this many classes the confusion matrix can be read in half the width of a page."""


@dataclass(frozen=True)
class EvalPictures:
    """The figures of the page, the most confident mistakes, curves of classes, and the part with maps of `explain`."""

    confusion: Figure
    reliability: Figure | None
    mistakes: Sequence[MisclassifiedImage]
    curves: Figure | None = None
    explained: Sequence[Part] = ()


def eval_page(result: EvalResult, shown: EvalPictures) -> Page:
    """The page of an evaluation with its pictures."""
    top = result.metrics[0].estimate
    wrong = round(top.n * (1 - top.value))
    found = percent(top)
    return Page(
        title=f"{result.model} on {result.data}, {result.split} set" if result.data else result.model,
        number=f"{found.value}%",
        interval=found.interval,
        lead=f"of {count(top.n, result.unit)} are right, {wrong:,} are wrong.",
        parts=[
            *_first(result, shown),
            *shown.explained,
            *_gaps(result.diagnosis),
            *_slices(result),
            _classes(result),
            *_class_figures(result),
            *_curves(result, shown.curves),
            *_reliability(result, shown.reliability),
            _figures(result.metrics),
        ],
        notes=result.notes,
        facts=_facts(result),
    )


def _facts(result: EvalResult) -> list[tuple[str, str]]:
    what = f"{result.unit}s".capitalize()
    if not result.data:
        file = [("File", result.model), ("Seed", str(result.seed)), ("SHA-256", result.model_sha256)]
        return [(what, f"{result.n_images:,}"), *file]
    return [
        (what, f"{result.n_images:,} of the {result.split} set of {result.data}"),
        ("Network", result.model),
        ("Seed and device", f"{result.seed}, {result.device}"),
        ("Weights SHA-256", result.model_sha256),
    ]


def _first(result: EvalResult, shown: EvalPictures) -> list[Part]:
    """The mistakes and the confusion matrix, side by side where there is room."""
    matrix = Chart(
        svg(shown.confusion, alt="Confusion matrix: one row per true class, one column per predicted class"),
        "Confusion matrix: counts, the stronger the colour the larger their share of the true class.",
    )
    if not shown.mistakes:
        return [matrix, *_mistakes_table(result)]
    cards = [(_mistake(one, result.unit),) for one in shown.mistakes]
    gallery = Gallery("The most confident mistakes: true → predicted. Look for wrong labels among them.", cards[:_FIRST])
    return [Beside([gallery, matrix])] if len(result.per_class) <= _BESIDE else [gallery, matrix]


def _mistakes_table(result: EvalResult) -> list[Part]:
    """The mistakes where there are no pictures."""
    if not result.mistakes:
        return []
    rows: list[list[Cell]] = [
        [one.file or f"row {one.index + 1:,}", one.true, one.predicted, _sure(one.probability)]
        for one in result.mistakes[:_FIRST]
    ]
    sure = result.mistakes[0].probability is not None
    caption = "The most confident mistakes. Look for wrong labels among them." if sure else "The first mistakes"
    return [PageTable(caption, [result.unit, "true", "predicted", "probability, %"], rows, words=3)]


def _sure(probability: float | None) -> str:
    return "–" if probability is None else f"{100 * probability:.1f}"


def _mistake(one: MisclassifiedImage, unit: str) -> CardImage:
    said = verdict(one.true, one.predicted).replace("\n", " ")
    alt = f"A misclassified {unit} of {one.true}"
    return card_image(one.image, alt=alt, line=f"{said}, {100 * one.probability:.1f}%")


def _classes(result: EvalResult) -> Bars:
    """The classes with images, the lowest accuracy first, and then those without."""
    known = [row for row in result.per_class if row.accuracy]
    rows = sorted(known, key=lambda row: row.accuracy.value if row.accuracy else 0)
    rows += [row for row in result.per_class if not row.accuracy]
    bars = [Bar(row.name, (row.accuracy,), _beside(row)) for row in rows]
    return Bars("Accuracy by class, the lowest first", ("accuracy",), bars)


def _class_figures(result: EvalResult) -> list[Part]:
    """Precision, recall and F1, and areas where there are probabilities, of each class."""
    names = [name for name in OF_A_CLASS if any(row.figure(name) for row in result.per_class)]
    rows: list[list[Cell]] = [[row.name, *(percent_cell(row.figure(name)) for name in names)] for row in result.per_class]
    heads = [_HEADS.get(name, name) for name in names]
    table = PageTable("Figures of each class against all others, %", ["class", *heads], rows[:_FIRST])
    if len(rows) <= _FIRST:
        return [table]
    return [Fold(f"Figures of all {count(len(rows), 'class', 'classes')}", [replace(table, rows=rows)])]


def _curves(result: EvalResult, figure: Figure | None) -> list[Part]:
    if figure is None:
        return []
    known = sum(row.ap is not None for row in result.per_class)
    which = f"the class {result.per_class[1].name}" if len(result.per_class) == 2 else "each class against all others"
    which = f"the {MOST_CURVES} classes of {known} with the lowest average precision" if known > MOST_CURVES else which
    alt = f"ROC curves and precision-recall curves of {which}"
    return [Chart(svg(figure, alt=alt), f"ROC and precision-recall curves of {which}.")]


def _beside(row: ClassAccuracy) -> str:
    n = f"n {row.accuracy.n:,}" if row.accuracy else "n 0"
    return f"{n}, most confused with {row.most_confused_with}" if row.most_confused_with else n


def _reliability(result: EvalResult, figure: Figure | None) -> list[Part]:
    if figure is None:
        return []
    drawn = svg(figure, alt=f"Accuracy against confidence in bins, and the number of {result.unit}s in each bin")
    said = "Reliability: bars below the diagonal mean that the network is overconfident. Grey bins have few "
    return [Chart(drawn, f"{said}{result.unit}s and tell little.")]


def _slices(result: EvalResult) -> list[Part]:
    if not result.slices:
        return []
    rows: list[list[Cell]] = [
        [
            f"{row.column}={row.name}",
            percent_cell(row.accuracy),
            percent_cell(row.minus_rest),
            row.status,
            f"{row.accuracy.n:,}",
        ]
        for row in result.slices
    ]
    strong = next(k for k, row in enumerate(result.slices) if f"{row.column}={row.name}" == result.worst_slice)
    head = ["subgroup", "accuracy, %", "minus all others", "status", f"{result.unit}s"]
    return [PageTable("Accuracy by subgroup", head, rows, strong)]


def _figures(metrics: Sequence[Metric]) -> PageTable:
    rows = [[_called(one), _figure(one.name, one.estimate)] for one in metrics]
    return PageTable("Figures with 95% intervals", ["metric", "value"], rows, strong=0)


def _called(metric: Metric) -> str:
    found = _METRICS.get(metric.name, metric.name)
    return f"{found} (of class {metric.positive})" if metric.positive else found


def _figure(name: str, found: Estimate | PointEstimate) -> Cell:
    return percent_cell(found) if name in _IN_PERCENT else figure_cell(found)


def _gaps(diagnosis: Diagnosis | None) -> list[Part]:
    if diagnosis is None:
        return []
    gaps: list[list[Cell]] = []
    for gap in diagnosis.gaps:
        between = f"{gap.upper} to {gap.lower}" if gap.difference else "–"
        gaps.append([gap.name, percent_cell(gap.difference), gap.status, between])
    strong = next((k for k, gap in enumerate(diagnosis.gaps) if gap.name == diagnosis.largest), None)
    suggestions = [[one.gap, one.what, one.command] for one in diagnosis.suggestions]
    ladder = PageTable("Where the error comes from", ["cause", "gap, points", "status", "between"], gaps, strong)
    tried = PageTable("What to try", ["gap", "suggestion", "command"], suggestions, words=3)
    return [ladder, tried] if suggestions else [ladder]
