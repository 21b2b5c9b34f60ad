"""The pictures of `dlcli probe-gradients`: autocorrelation, layers, removed blocks, and path lengths."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlcli.core.gradients.autocorrelation import brownian_noise, correlate, white_band, white_noise
from dlcli.core.html_report.figures import COLOURS, PlotSeries, plain
from dlcli.specs.probe_gradients import LayerRow, LesionRow, PathRow

_NOISES = 50
_MOST_BARS = 40
_MOST_NAMED = 30
_SIZE = (6.6, 4.0)
_GREY = "#70707a"
_LOG = ("variance", "gradient, root mean square")
_SIGNALS: dict[str, Callable[[LayerRow], float | None]] = {
    "variance": lambda row: row.variance,
    "gradient, root mean square": lambda row: row.gradient,
    "active: share above zero": lambda row: row.active,
    "co-active: above zero for both of two": lambda row: row.coactive,
    "dead: above zero for none": lambda row: row.dead,
    "cosine of the gradients of two inputs": lambda row: row.cosine,
}
"""Figures of an activation by the title of their panel."""


def acf_plot(curves: Sequence[PlotSeries], points: int) -> Figure:
    """The mean autocorrelation of each network by lag, in steps, beside white and Brownian noise of as many points."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    for name, draw, style in (("Brownian noise", brownian_noise, "--"), ("white noise", white_noise, ":")):
        found = [correlate(draw(points, seed)) for seed in range(_NOISES)]
        mean = np.mean([one.curve for one in found if one is not None], axis=0)
        axes.plot(mean, style, color=_GREY, linewidth=1.3, label=name)
    for k, one in enumerate(curves):
        colour = _colour(k)
        axes.fill_between(one.x, one.low, one.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(one.x, one.y, color=colour, linewidth=1.8, label=one.name)
    band = white_band(points)
    axes.axhspan(-band, band, color=_GREY, alpha=0.12, linewidth=0)
    axes.set(xlabel="lag, in steps along the line", ylabel="autocorrelation of the gradient", ylim=(-0.4, 1.02))
    axes.set_xlim(0, points // 4)
    plain(axes)
    figure.legend(loc="outside upper center", ncols=3, fontsize=10, frameon=False)
    return figure


def layers_plot(networks: Mapping[str, Sequence[LayerRow]]) -> Figure:
    """Figures of the activations over depth, a panel for each figure and a line for each network."""
    figure = Figure(figsize=(_SIZE[0], 7.2), layout="constrained")
    panels = list(figure.subplots(3, 2, sharex=True).flat)
    for axes, (name, read) in zip(panels, _SIGNALS.items(), strict=True):
        for k, (network, layers) in enumerate(networks.items()):
            values = [value if (value := read(one)) else np.nan for one in layers] if name in _LOG else list(map(read, layers))
            label = network if axes is panels[0] else None
            depth = range(1, len(layers) + 1)
            axes.plot(depth, np.array(values, float), marker=".", color=_colour(k), linewidth=1.5, label=label)
        if name not in _LOG:
            axes.set_ylim(-0.03, 1.03)
        elif any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
            axes.set_yscale("log")
            _widen(axes)
        axes.set_title(name, fontsize=10)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain(axes)
    for axes in panels[-2:]:
        axes.set_xlabel("activation, from input to output", fontsize=9)
    if len(networks) > 1:
        figure.legend(loc="outside upper center", ncols=2, fontsize=10, frameon=False)
    return figure


def _widen(axes: Axes) -> None:
    """At least a decade, or differences of nothing would look large."""
    low, high = axes.get_ylim()
    if high < 10 * low:
        middle = np.sqrt(low * high)
        axes.set_ylim(middle / np.sqrt(10), middle * np.sqrt(10))


def _colour(k: int) -> str:
    return COLOURS[(k + 1) % len(COLOURS)]


def weights_plot(
    epochs: Sequence[int], gradients: Mapping[str, Sequence[float]], dead: Mapping[str, Sequence[float]]
) -> Figure:
    """Figures of weights and of activations over epochs, each a picture with a row for each.

    Args:
        epochs: The columns.
        gradients: Root mean squares by the name of the weight, one for each epoch; the colours are logarithmic.
        dead: Shares of dead units by the name of the activation.
    """
    panels = [(gradients, "gradient, root mean square", LogNorm()), (dead, "dead units", Normalize(0, 1))]
    shown = [one for one in panels if one[0]]
    heights = [len(rows) for rows, _, _ in shown]
    figure = Figure(figsize=(_SIZE[0], float(np.clip(1.6 * len(shown) + 0.22 * sum(heights), 3, 14))), layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=[max(height, 3) for height in heights])[:, 0]
    for one, (rows, title, scale) in zip(axes, shown, strict=True):
        values = np.array(list(rows.values()), dtype=float)
        if isinstance(scale, LogNorm):
            values = np.where(values > 0, values, np.nan)
            scale = scale if np.isfinite(values).any() else Normalize(0, 1)
        image = one.imshow(values, aspect="auto", norm=scale, cmap="cividis", interpolation="nearest")
        figure.colorbar(image, ax=one, pad=0.02)
        step = -(-len(rows) // _MOST_NAMED)
        one.set_yticks(range(0, len(rows), step), list(rows)[::step], fontsize=8, parse_math=False)
        one.set_xticks(*_epoch_ticks(epochs))
        one.set_title(title, fontsize=10)
    axes[-1].set_xlabel("epochs", fontsize=9)
    return figure


def _epoch_ticks(epochs: Sequence[int]) -> tuple[list[int], list[str]]:
    """Places and labels of columns, a dozen at most.

    Returns:
        Both, of equal length.
    """
    step = -(-len(epochs) // 12)
    places = list(range(0, len(epochs), step))
    return places, [str(epochs[k]) for k in places]


def lesion_bars(rows: Sequence[LesionRow]) -> Figure:
    """The accuracy without each block, the whole network's as a line; of many blocks those that cost most."""
    whole, *others = rows
    others = list(others[:_MOST_BARS])
    figure = Figure(figsize=(_SIZE[0], float(np.clip(1.2 + 0.26 * len(others), 2.4, 12))), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(others))[::-1]
    values = np.array([row.accuracy.value for row in others])
    ends = [values - [row.accuracy.low for row in others], [row.accuracy.high for row in others] - values]
    axes.barh(places, values, xerr=ends, color=COLOURS[1], alpha=0.85, error_kw={"linewidth": 1})
    axes.axvline(whole.accuracy.value, color="black", linewidth=1, label="whole network")
    axes.set_yticks(places, [f"{row.block} ({row.kind})" for row in others], fontsize=8, parse_math=False)
    axes.set(xlabel="accuracy without the block, 95% interval", ylabel="removed block", xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", fontsize=10, frameon=False)
    return figure


def path_curve(rows: Sequence[PathRow]) -> Figure:
    """Shares of all paths and of all gradient by length in residual blocks."""
    figure = Figure(figsize=(_SIZE[0], 3.6), layout="constrained")
    axes = figure.subplots()
    blocks = [row.blocks for row in rows]
    axes.plot(blocks, [row.share_of_paths for row in rows], "--", color=_GREY, label="paths")
    axes.plot(blocks, [row.share_of_gradient for row in rows], marker="o", color=COLOURS[2], label="gradient")
    axes.set(xlabel="length of a path, in residual branches", ylabel="share of the whole", ylim=(0, None))
    plain(axes)
    figure.legend(loc="outside upper center", ncols=2, fontsize=10, frameon=False)
    return figure
