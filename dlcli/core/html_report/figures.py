"""Figures, drawn by matplotlib without a display and without pyplot's global state (for PNG it takes its Agg)."""

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator, ScalarFormatter

# Okabe and Ito's colours, which people with any colour vision tell apart; the markers repeat the distinction.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LONGEST_LABEL = 13
_SIZE = (6.6, 4.0)
"""Of a figure with one panel, in inches: texts of 10 points can be read in a page of 500 pixels."""


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


def accuracy_plot(
    series: Sequence[PlotSeries], *, x_label: str, y_label: str, whole: bool = True, in_percent: bool = True
) -> Figure:
    """Lines with bands over `x_label`; the y axis is an accuracy in percent, or another figure.

    Args:
        series: The lines.
        x_label: Name of the x axis.
        y_label: Name of the y axis.
        whole: Whether the y axis goes from 0 to 100, not over the data only.
        in_percent: Whether the figure is a share.
    """
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    draw_lines(axes, series, x_label=x_label, y_label=y_label)
    _plain(axes, plain=not in_percent)
    if whole:
        axes.set_ylim(-0.02, 1.02)
    legend(figure, series)
    return figure


def paired_plot(
    series: Sequence[PlotSeries],
    difference: PlotSeries,
    *,
    x_label: str,
    y_label: str,
    difference_label: str,
    in_percent: bool = True,
) -> Figure:
    """Lines with bands, and below them their difference around a line at 0; both y axes are shares in percent, or figures.

    The axes fit what follows the first quarter of `x`: in the first epochs of a training all differences are large.

    Args:
        series: The lines.
        difference: The line below.
        x_label: Name of the x axis.
        y_label: Name of the upper y axis.
        difference_label: Name of the lower y axis.
        in_percent: Whether they are shares.
    """
    figure = Figure(figsize=(_SIZE[0], 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    draw_lines(upper, series, x_label="", y_label=y_label)
    draw_differences(lower, [difference], x_label=x_label, y_label=difference_label)
    _plain(upper, lower, plain=not in_percent)
    _fit(upper, series)
    _fit(lower, [difference], 0.0)
    legend(figure, series)
    return figure


def _fit(axes: Axes, series: Sequence[PlotSeries], *shown: float) -> None:
    """Fit the y axis to the bands after the first quarter of each line, and to the values that have to be `shown`."""
    low = min(*shown, *(min(line.low[len(line.low) // 4 :]) for line in series))
    high = max(*shown, *(max(line.high[len(line.high) // 4 :]) for line in series))
    room = 0.06 * (high - low) or 0.01
    axes.set_ylim(low - room, high + room)


def _plain(*axes: Axes, plain: bool) -> None:
    """Write the values of the y axes as they are, not in percent."""
    for one in axes if plain else ():
        one.yaxis.set_major_formatter(ScalarFormatter())


def noise_plot(series: PlotSeries, batch_size: int) -> Figure:
    """The noise scale of gradients over epochs on a logarithmic axis, with a line at the batch size."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    draw_lines(axes, [series], x_label="epochs", y_label="images")
    axes.axhline(batch_size, color=COLOURS[0], linewidth=1, linestyle="--", label="batch size")
    _plain(axes, plain=True)
    axes.set_yscale("log")
    figure.legend(loc="outside upper center", ncols=2, fontsize=10, frameon=False)
    return figure


def history_plot(
    accuracies: Sequence[PlotSeries],
    losses: Sequence[PlotSeries],
    *,
    y_label: str = "accuracy, %",
    in_percent: bool = True,
) -> Figure:
    """Accuracies in percent, or other figures, and, below them, losses over epochs; both y axes are of the data.

    Args:
        accuracies: The upper lines.
        losses: The lower ones.
        y_label: Name of the upper y axis.
        in_percent: Whether the upper figures are shares.
    """
    figure = Figure(figsize=(_SIZE[0], 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    draw_lines(upper, accuracies, x_label="", y_label=y_label)
    _plain(upper, plain=not in_percent)
    draw_lines(lower, losses, x_label="epoch", y_label="loss")
    lower.yaxis.set_major_formatter(ScalarFormatter())
    legend(figure, accuracies)
    return figure


def difference_plot(series: Sequence[PlotSeries], *, x_label: str, y_label: str) -> Figure:
    """Differences of shares in percent as lines with bands, around a line at 0."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    draw_differences(axes, series, x_label=x_label, y_label=y_label)
    legend(figure, series)
    return figure


def draw_differences(axes: Axes, series: Sequence[PlotSeries], *, x_label: str, y_label: str) -> None:
    """Draw differences of shares as `draw_lines` does, from the second colour on, with a line at 0.

    Args:
        axes: Where to draw.
        series: The differences.
        x_label: Name of the x axis.
        y_label: Name of the y axis.
    """
    axes.axhline(0, color=COLOURS[0], linewidth=0.8)
    draw_lines(axes, series, x_label=x_label, y_label=y_label, first=1, sign="+")


def draw_lines(axes: Axes, series: Sequence[PlotSeries], *, x_label: str, y_label: str, first: int = 0, sign: str = "") -> None:
    """Draw lines with bands; the y axis is a share in percent.

    Args:
        axes: Where to draw.
        series: The lines.
        x_label: Name of the x axis.
        y_label: Name of the y axis.
        first: Number of the first colour and marker.
        sign: "+" if positive shares get a sign.
    """
    for k, line in enumerate(series, first):
        colour, marker = COLOURS[k % len(COLOURS)], _MARKERS[k % len(_MARKERS)]
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(line.x, line.y, color=colour, marker=marker, markersize=5, linewidth=1.6, label=line.name)
    if all(float(x).is_integer() for line in series for x in line.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no epoch 2.5
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share + 0.0:{sign}.4g}")
    axes.set(xlabel=x_label, ylabel=y_label)
    plain(axes)


def plain(axes: Axes) -> None:
    """A light grid, and no lines above and at the right."""
    axes.grid(alpha=0.4)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: Figure, series: Sequence[PlotSeries]) -> None:
    """A legend of the first panel above the figure, where there are several lines."""
    if len(series) > 1:
        handles = figure.axes[0].get_legend_handles_labels()[0]
        found = figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=10, frameon=False)
        for text in found.get_texts():
            text.set_parse_math(False)


def png(figure: Figure, *, dpi: int = 120) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    with any_script():
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


@contextmanager
def any_script() -> Iterator[None]:
    """Without warnings about fonts: what one lacks is drawn as boxes, and in place of an absent one another is taken."""
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*missing from.*font.*")
            yield
    finally:
        logger.setLevel(level)


def draw_image(axes: Axes, image: np.ndarray, title: str) -> None:
    """Draw an image (c, h, w) in [0, 1], three channels in colour, any other number as their mean in grey."""
    axes.imshow(drawable(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
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


def drawable(image: np.ndarray) -> np.ndarray:
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
