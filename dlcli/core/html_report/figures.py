"""Figures, drawn by matplotlib without a display and without pyplot's global state (for PNG it takes its Agg)."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours, which people with any colour vision tell apart; the markers repeat the distinction.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LONGEST_LABEL = 13


@dataclass(frozen=True)
class AdversarialExample:
    """One image before and after an attack, (c, h, w) in [0, 1], and the names of its true and predicted classes."""

    clean: np.ndarray
    adversarial: np.ndarray
    true: str
    predicted_clean: str
    predicted_adversarial: str


@dataclass(frozen=True)
class PlotSeries:
    """One line of a plot: at each `x` a figure `y` with its interval from `low` to `high`."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def example_grid(examples: Sequence[AdversarialExample], *, eps: float, title: str = "") -> Figure:
    """A column for each of at least one example: clean, adversarial, and their signed difference on a scale to `eps`."""
    figure = Figure(figsize=(max(1.2 + 1.25 * len(examples), 4.8), 5.3), layout="constrained")
    axes = figure.subplots(3, len(examples), squeeze=False)
    for column, example in zip(axes.T, examples, strict=True):
        draw_image(column[0], example.clean, verdict(example.true, example.predicted_clean))
        draw_image(column[1], example.adversarial, verdict(example.true, example.predicted_adversarial))
        scale = _difference(column[2], example, eps)
    for row, name in zip(axes, ("clean", "adversarial", "difference"), strict=True):
        row[0].set_ylabel(name, fontsize=11)
    bar = figure.colorbar(scale, ax=list(axes[2]), ticks=_ends(eps), format="%+.2g", fraction=0.05, pad=0.02)
    bar.set_label("input units", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    if title:
        figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def accuracy_plot(series: Sequence[PlotSeries], *, x_label: str, y_label: str = "accuracy, 95% interval") -> Figure:
    """Lines with bands over `x_label`; the y axis is an accuracy from 0 to 1."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for k, line in enumerate(series):
        colour, marker = COLOURS[k % len(COLOURS)], _MARKERS[k % len(_MARKERS)]
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.12, linewidth=0)
        axes.plot(line.x, line.y, color=colour, marker=marker, markersize=5, linewidth=1.5, label=line.name)
    if all(float(x).is_integer() for line in series for x in line.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no epoch 2.5
    axes.set(xlabel=x_label, ylabel=y_label, ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        figure.legend(loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    return figure


def difference_plot(series: Sequence[PlotSeries], *, x_label: str, y_label: str) -> Figure:
    """Differences with their intervals side by side at each `x`, which stand at equal distances, around a line at 0."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    places = {x: place for place, x in enumerate(dict.fromkeys(x for line in series for x in line.x))}
    axes.axhline(0, color="black", linewidth=0.8)
    for k, line in enumerate(series):
        # Side by side, since several may be the very same.
        x = [places[x] + (k - (len(series) - 1) / 2) * 0.6 / len(series) for x in line.x]
        ends = [np.subtract(line.y, line.low), np.subtract(line.high, line.y)]
        colour, marker = COLOURS[(k + 1) % len(COLOURS)], _MARKERS[(k + 1) % len(_MARKERS)]
        axes.errorbar(
            x, line.y, yerr=ends, linestyle="none", markersize=6, capsize=3, label=line.name, color=colour, marker=marker
        )
    axes.set(xlabel=x_label, ylabel=y_label, xticks=list(places.values()), xticklabels=[f"{x:g}" for x in places])
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    return figure


def png(figure: Figure, *, dpi: int = 120) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A class name in a script the font lacks is drawn as boxes; matplotlib would tell so on standard error.
        warnings.filterwarnings("ignore", message=".*missing from.*font.*")
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def draw_image(axes: Axes, image: np.ndarray, title: str) -> None:
    """Draw an image (c, h, w) in [0, 1], three channels in colour, any other number as their mean in grey."""
    axes.imshow(_drawable(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _bare(axes)
    axes.set_title(title, fontsize=8 if "\n" in title else 10, pad=3, parse_math=False)


def _difference(axes: Axes, example: AdversarialExample, eps: float) -> AxesImage:
    change = (example.adversarial - example.clean).mean(0)
    low, high = _ends(eps)
    _bare(axes)
    return axes.imshow(change, cmap="RdBu_r", norm=Normalize(low, high), interpolation="nearest")


def _ends(eps: float) -> tuple[float, float]:
    """The ends of the scale of differences; at eps 0 any scale will do, but it must not be empty."""
    return (-eps, eps) if eps > 0 else (-1.0, 1.0)


def _drawable(image: np.ndarray) -> np.ndarray:
    """Three channels as colours, any other number as their mean in grey."""
    return image.transpose(1, 2, 0) if len(image) == 3 else image.mean(0)


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_linewidth(0.5)


def verdict(true: str, predicted: str) -> str:
    """`true → predicted`, on two lines if long."""
    true, predicted = short_label(true), short_label(predicted)
    between = "\n" if len(true) + len(predicted) > 9 else " "
    return f"{true}{between}→ {predicted}"


def short_label(label: str) -> str:
    """The label, cut to what fits over a small image."""
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"
