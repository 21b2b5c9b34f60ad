"""The pictures of predicted scores: predicted against true ones, errors over the scale, and how far attacks move them."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcli.core.html_report.figures import COLOURS, plain

Floats = NDArray[np.float64]

_BINS = 12


def scatter_plot(predicted: Floats, truth: Floats, *, unit: str, title: str = "") -> Figure:
    """Predicted against true scores, beside the diagonal of perfect prediction.

    Args:
        predicted: Predicted scores, (n,).
        truth: True ones, (n,).
        unit: What an example is called.
        title: The line above: the correlation, and the ceiling of raters.
    """
    figure = Figure(figsize=(5.2, 5.0), layout="constrained")
    axes = figure.subplots()
    ends = [float(min(predicted.min(), truth.min())), float(max(predicted.max(), truth.max()))]
    axes.plot(ends, ends, color=COLOURS[0], linewidth=1, linestyle="--", label="perfect prediction")
    axes.scatter(truth, predicted, s=14, alpha=_opacity(len(truth)), color=COLOURS[1], linewidths=0, label=f"a test {unit}")
    axes.set(xlabel="true score", ylabel="predicted score")
    axes.set_title(title, fontsize=10)
    plain(axes)
    figure.legend(loc="outside upper center", ncols=2, fontsize=9, frameon=False)
    return figure


def residual_plot(predicted: Floats, truth: Floats) -> Figure:
    """Predicted less true scores over the true ones, with their mean in equal parts of the scale."""
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    error = predicted - truth
    axes.axhline(0, color=COLOURS[0], linewidth=1, linestyle="--")
    axes.scatter(truth, error, s=14, alpha=_opacity(len(truth)), color=COLOURS[1], linewidths=0)
    edges = np.linspace(truth.min(), truth.max(), _BINS + 1)
    place = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, _BINS - 1)
    there = [k for k in range(_BINS) if (place == k).any()]
    centres = [float(truth[place == k].mean()) for k in there]
    means = [float(error[place == k].mean()) for k in there]
    axes.plot(centres, means, color=COLOURS[2], linewidth=1.6, marker="o", markersize=4)
    axes.set(xlabel="true score", ylabel="predicted − true")
    plain(axes)
    return figure


def change_plot(clean: Floats, up: Floats, down: Floats, *, threshold: float) -> Figure:
    """Scores of attacked images over those of the clean ones.

    Args:
        clean: Scores of the clean images, (n,).
        up: Those that were moved up, (n,).
        down: Those that were moved down, (n,).
        threshold: Half the height of the band about the diagonal, in units of the score.
    """
    figure = Figure(figsize=(5.2, 5.0), layout="constrained")
    axes = figure.subplots()
    ends = np.array([clean.min(), clean.max()])
    axes.plot(ends, ends, color=COLOURS[0], linewidth=1, linestyle="--", label="unchanged")
    axes.fill_between(ends, ends - threshold, ends + threshold, color=COLOURS[0], alpha=0.15, linewidth=0)
    for colour, (scores, name) in zip(COLOURS[1:], ((up, "moved up"), (down, "moved down")), strict=False):
        axes.scatter(clean, scores, s=14, alpha=_opacity(len(clean)), color=colour, linewidths=0, label=name)
    axes.set(xlabel="score of the clean image", ylabel="score of the attacked image")
    plain(axes)
    figure.legend(loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    return figure


def _opacity(n: int) -> float:
    """So that thousands of points show where they are dense."""
    return float(np.clip(30 / np.sqrt(n), 0.08, 0.7))
