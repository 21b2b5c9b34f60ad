"""ROC and precision-recall curves of classes against all others."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcli.core.evaluation.abstention import risk_by_coverage
from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.evaluation.ranked import rank
from dlcli.core.html_report.figures import COLOURS, short_label
from dlcli.specs.abstention import Abstention

MOST_CURVES = 6
"""More could not be distinguished: of more classes those with the lowest average precision are drawn."""


def drawn_classes(aps: Sequence[float | None]) -> list[int]:
    """Which classes are drawn, by their average precision: the lowest; of two classes, the second."""
    known = [k for k, ap in enumerate(aps) if ap is not None]
    if len(aps) == 2:
        return known[1:]
    return sorted(known, key=lambda k: (aps[k] or 0.0, k))[:MOST_CURVES]


def curves_plot(log_p: Floats, y: Labels, classes: Sequence[int], names: Sequence[str]) -> Figure:
    """ROC curves on the left and precision-recall curves on the right, a line for each class.

    Args:
        log_p: Log-probabilities, (n, outputs).
        y: True outputs, (n,).
        classes: The outputs that are drawn, each with examples and not with all.
        names: Their names.
    """
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    roc, precision_recall = figure.subplots(1, 2)
    for k, name, colour in zip(classes, names, COLOURS[1:], strict=False):
        ranking = rank(log_p[:, k], y == k)
        hits, misses = np.cumsum(ranking.hits), np.cumsum(ranking.all - ranking.hits)
        recall = np.append(0, hits / hits[-1])
        drawn = {"color": colour, "linewidth": 1.4, "label": short_label(name)}
        roc.plot(np.append(0, misses / misses[-1]), recall, **drawn)
        precision = hits / (hits + misses)
        precision_recall.step(recall, np.append(precision[0], precision), where="pre", **drawn)
    roc.plot([0, 1], [0, 1], color=COLOURS[0], linewidth=1, linestyle="--")
    roc.set(xlabel="false positive rate", ylabel="true positive rate (recall)")
    precision_recall.set(xlabel="recall", ylabel="precision")
    for axes in (roc, precision_recall):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
    handles = roc.get_lines()[:-1]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, max(1, len(handles))), fontsize=9, frameon=False)
    return figure


def risk_plot(confidence: Floats, correct: NDArray[np.bool_], found: Abstention) -> Figure:
    """Errors among the answers, by the share of examples that are answered, with the point that was chosen.

    Args:
        confidence: The probability of the predicted class, (n,).
        correct: Whether that is right, (n,).
        found: The point.
    """
    figure = Figure(figsize=(6.6, 3.8), layout="constrained")
    axes = figure.subplots()
    answered, errors = risk_by_coverage(confidence, correct)
    axes.plot(100 * answered, 100 * errors, color=COLOURS[1], linewidth=1.4, label="errors among the answers")
    axes.axhline(100 * found.risk, color=COLOURS[0], linewidth=1, linestyle="--", label=f"{100 * found.risk:g}%")
    if found.answered is not None and found.errors is not None:
        x, y = 100 * found.answered.value, 100 * found.errors.value
        ends = [[y - 100 * found.errors.low], [100 * found.errors.high - y]]
        axes.errorbar(
            [x], [y], ends, color=COLOURS[2], fmt="o", markersize=5, label=f"from {found.threshold:.3f} on, with bound"
        )
    axes.set(xlabel="answered, %", ylabel="wrong among the answers, %", xlim=(0, 101))
    axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure
