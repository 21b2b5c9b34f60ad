"""The pictures of `dlcli probe-gradients`: autocorrelation, layers, removed blocks, and path lengths."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcli.core.gradients.autocorrelation import brownian_noise, correlate, white_band, white_noise
from dlcli.core.html_report.figures import COLOURS, short_label
from dlcli.specs.probe_gradients import LayerRow, LesionRow, PathRow

_NOISES = 50
_MOST_BARS = 40


def acf_plot(curves: Mapping[str, NDArray[np.float64]], points: int) -> Figure:
    """The mean autocorrelation of each network by lag, in steps, beside white and Brownian noise of as many points."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for name, draw, style in (("Brownian noise", brownian_noise, "--"), ("white noise", white_noise, ":")):
        found = [correlate(draw(points, seed)) for seed in range(_NOISES)]
        mean = np.mean([one.curve for one in found if one is not None], axis=0)
        axes.plot(mean, style, color="#70707a", linewidth=1.3, label=name)
    for k, (name, curve) in enumerate(curves.items()):
        axes.plot(curve, color=COLOURS[(k + 1) % len(COLOURS)], linewidth=1.8, label=short_label(name))
    band = white_band(points)
    axes.axhspan(-band, band, color="#70707a", alpha=0.12, linewidth=0)
    axes.set(xlabel="lag, in steps along the line", ylabel="autocorrelation of the gradient", ylim=(-0.4, 1.02))
    axes.set_xlim(0, points // 4)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    return figure


def layer_strip(layers: Sequence[LayerRow]) -> Figure:
    """A column an activation, in order; a strip a figure, each on a scale of its own."""
    strips = {
        "active": ([one.active for one in layers], Normalize(0, 1)),
        "co-active": ([one.coactive for one in layers], Normalize(0, 1)),
        "dead units": ([one.dead for one in layers], Normalize(0, 1)),
        "variance": ([one.variance for one in layers], None),
        "gradient, rms": ([one.gradient or np.nan for one in layers], None),
    }
    figure = Figure(figsize=(float(np.clip(3.5 + 0.35 * len(layers), 6.5, 14)), 4.6), layout="constrained")
    for axes, (name, (values, norm)) in zip(figure.subplots(len(strips), 1), strips.items(), strict=True):
        row = np.array([values], dtype=float)
        drawn = axes.imshow(row, aspect="auto", cmap="viridis", norm=norm or _log(row), interpolation="nearest")
        axes.set_yticks([0], [name], fontsize=9)
        axes.set_xticks([])
        bar = figure.colorbar(drawn, ax=axes, fraction=0.025, pad=0.01)
        bar.ax.minorticks_off()
        bar.ax.tick_params(labelsize=8)
    turn = 90 if len(layers) > 8 else 0
    axes.set_xticks(range(len(layers)), [one.layer for one in layers], rotation=turn, fontsize=8)
    axes.set_xlabel("activations, from input to output")
    return figure


def lesion_bars(rows: Sequence[LesionRow]) -> Figure:
    """The accuracy without each block, the whole network's as a line; of many blocks those that cost most."""
    whole, *others = rows
    others = list(others[:_MOST_BARS])
    figure = Figure(figsize=(7.2, float(np.clip(1.2 + 0.26 * len(others), 2.4, 12))), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(others))[::-1]
    values = np.array([row.accuracy.value for row in others])
    ends = [values - [row.accuracy.low for row in others], [row.accuracy.high for row in others] - values]
    axes.barh(places, values, xerr=ends, color=COLOURS[1], alpha=0.85, error_kw={"linewidth": 1})
    axes.axvline(whole.accuracy.value, color="black", linewidth=1, label="whole network")
    axes.set_yticks(places, [row.block for row in others], fontsize=8, parse_math=False)
    axes.set(xlabel="accuracy without the block, 95% interval", ylabel="removed block", xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", fontsize=9, frameon=False)
    return figure


def path_curve(rows: Sequence[PathRow]) -> Figure:
    """Shares of all paths and of all gradient by length in residual blocks."""
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    blocks = [row.blocks for row in rows]
    axes.plot(blocks, [row.share_of_paths for row in rows], "--", color="#70707a", label="paths")
    axes.plot(blocks, [row.share_of_gradient for row in rows], marker="o", color=COLOURS[2], label="gradient")
    axes.set(xlabel="length of a path, in residual branches", ylabel="share of the whole", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, fontsize=9, frameon=False)
    return figure


def _log(values: NDArray[np.float64]) -> LogNorm | Normalize:
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):
        return Normalize()
    # At least a decade, or differences of nothing would look large.
    middle = np.sqrt(known.min() * known.max())
    reach = max(np.sqrt(known.max() / known.min()), np.sqrt(10))
    return LogNorm(float(middle / reach), float(middle * reach))
