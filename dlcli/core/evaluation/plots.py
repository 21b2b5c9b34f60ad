"""The pictures of `dlcli eval`: confusion matrix, reliability, and the most confident mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcli.core.evaluation.calibration import Reliability
from dlcli.core.html_report.figures import COLOURS, draw_image, short_label, verdict
from dlcli.core.html_report.parts import percent
from dlcli.core.proportion import proportion
from dlcli.specs.estimates import Estimate, PointEstimate

_LABELLED = 30
"""Up to this many classes each has its name on the axes; up to half of it each cell has its count."""

_COLUMNS = 6
_DARK, _ON_DARK = 0.6, "#fefefe"
"""From this share on a cell is so dark that its count is light, on light and dark pages alike."""
_FEW, _FADED, _GREY = 10, "#c8c8c8", "#70707a"
"""A bin with fewer examples tells little, and is drawn in grey."""


@dataclass(frozen=True)
class MisclassifiedImage:
    """One image (c, h, w) in [0, 1], the names of its true and predicted classes, and the probability of the latter."""

    image: NDArray[np.floating]
    true: str
    predicted: str
    probability: float


def confusion_plot(matrix: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """Counts (classes, outputs), shaded by the share of their row, so that rare classes are seen as well as common ones."""
    side = float(np.clip(1.5 + 0.42 * len(columns), 4.5, 11))
    figure = Figure(figsize=(side, float(np.clip(1.2 + 0.42 * len(rows), 4, 11))), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    # The root of the share, or the few mistakes of a good network would not be seen; as opacity, for light and dark pages.
    shades = np.concatenate([np.full((*shares.shape, 3), to_rgb(COLOURS[1])), np.sqrt(shares)[..., None]], axis=2)
    axes.imshow(shades, aspect="auto", interpolation="none")
    if max(matrix.shape) <= _LABELLED:
        longest = max(len(short_label(name)) for name in columns)
        turn = 90 if longest > 3 else 0
        axes.set_xticks(
            range(len(columns)), [short_label(name) for name in columns], rotation=turn, fontsize=9, parse_math=False
        )
        axes.set_yticks(range(len(rows)), [short_label(name) for name in rows], fontsize=9, parse_math=False)
    if max(matrix.shape) <= _LABELLED // 2:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = _ON_DARK if shares[row, column] > _DARK else COLOURS[0]
                axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=8, color=colour)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def reliability_plot(found: Reliability, ece: Estimate | PointEstimate, *, unit: str = "image") -> Figure:
    """Accuracy over confidence, a bar a bin, beside the diagonal of perfect calibration; below, how many `unit`s a bin has."""
    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    edges = np.linspace(0, 1, len(found.n) + 1)
    width, filled = edges[1], found.n > 0
    left, few = edges[:-1][filled], found.n[filled] < _FEW
    shade = [_FADED if one else COLOURS[6] for one in few]
    upper.bar(left, found.accuracy[filled], width, align="edge", color=shade, edgecolor="white")
    upper.plot([0, 1], [0, 1], color=COLOURS[0], linewidth=1, linestyle="--", label="perfect calibration")
    ends, x, y = _bars(found), found.confidence[filled], found.accuracy[filled]
    grey = f"fewer than {_FEW} {unit}s"
    for which, colour, name in ((few, _GREY, grey), (~few, COLOURS[2], "accuracy at the mean confidence, 95%")):
        if which.any():
            drawn = {"color": colour, "fmt": "o", "markersize": 4, "elinewidth": 1, "label": name}
            upper.errorbar(x[which], y[which], ends[:, which], **drawn)
    upper.set(ylabel="accuracy", ylim=(0, 1.02), xlim=(0, 1.01))
    shown = percent(ece)
    upper.set_title(f"expected calibration error {shown.value}% {shown.interval}, n = {ece.n:,}", fontsize=10)
    lower.bar(left, found.n[filled], width, align="edge", color=shade, edgecolor="white")
    lower.set(xlabel="confidence: probability of the predicted class", ylabel=f"{unit}s", yscale="log")
    lower.set_ylim(bottom=0.5)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def _bars(found: Reliability) -> NDArray[np.float64]:
    """How far the interval reaches below and above the accuracy of each bin that has images, (2, filled bins)."""
    filled = found.n > 0
    pairs = zip(found.accuracy[filled], found.n[filled], strict=True)
    intervals = [proportion(min(share * n, n), int(n)) for share, n in pairs]
    return np.array([[one.value - one.low for one in intervals], [one.high - one.value for one in intervals]])


def mistakes_grid(wrong: Sequence[MisclassifiedImage], *, title: str = "") -> Figure:
    """At least one image that was wrong, each with its true and predicted class and how sure the network was."""
    columns = min(len(wrong), _COLUMNS)
    rows = -(-len(wrong) // columns)
    figure = Figure(figsize=(max(1.5 * columns, 4.8), 0.5 + 1.8 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(wrong) :]:
        axes.set_visible(False)
    for axes, one in zip(grid.flat, wrong, strict=False):
        draw_image(axes, one.image, verdict(one.true, one.predicted))
        axes.set_xlabel(f"{100 * one.probability:.1f}% sure", fontsize=8)
    if title:
        figure.suptitle(title, fontsize=11, parse_math=False)
    return figure
