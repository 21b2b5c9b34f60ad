import numpy as np
import pytest

from dlcli.core.gradients.plots import acf_plot, layers_plot, lesion_bars, path_curve
from dlcli.core.html_report.figures import PlotSeries, png
from dlcli.core.proportion import proportion
from dlcli.core.stats import paired_difference
from dlcli.specs.probe_gradients import LayerRow, LesionRow, PathRow


def layer(k, **changes):
    facts = {
        "units": 9,
        "mean": 0.1,
        "variance": 1.0,
        "active": 0.5,
        "coactive": 0.2,
        "dead": 0.0,
        "gradient": 1.0,
        "cosine": 0.5,
    }
    return LayerRow(network="net", layer=f"relu {k}", kind="relu", **{**facts, **changes})


def test_curves_stand_beside_both_noises_with_their_intervals():
    y = np.linspace(1, 0, 33)
    figure = acf_plot([PlotSeries("mine", range(33), y, y - 0.1, y + 0.1)], 64)
    (axes,) = figure.axes
    names = [line.get_label() for line in axes.lines]
    assert names == ["Brownian noise", "white noise", "mine"] == [text.get_text() for text in figure.legends[0].get_texts()]
    assert all(line.get_ydata()[0] == 1 for line in axes.lines)
    brown, white, _ = (line.get_ydata() for line in axes.lines)
    assert brown[1] > 0.8 and abs(white[1]) < 0.1
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((-0.1, 1.1))


def test_layers_are_lines_over_depth_a_colour_for_each_network():
    networks = {
        "deep": [layer(k, gradient=10.0**-k) for k in range(30)],
        "one": [layer(1)],
        "none": [layer(1, gradient=None, variance=0.0, cosine=None), layer(2, gradient=None, variance=0.0)],
    }
    figure = layers_plot(networks)
    assert len(figure.axes) == 6
    for axes in figure.axes:
        assert [len(line.get_xdata()) for line in axes.lines] == [30, 1, 2]
        assert len({line.get_color() for line in axes.lines}) == 3
    gradient = next(axes for axes in figure.axes if "gradient, root" in axes.get_title())
    assert gradient.get_yscale() == "log" and gradient.lines[0].get_ydata()[3] == pytest.approx(1e-3)
    assert np.isnan(gradient.lines[2].get_ydata()).all()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(networks)
    assert png(layers_plot({"none": networks["none"]})).startswith(b"\x89PNG")


def test_what_hardly_differs_looks_so():
    figure = layers_plot({"flat": [layer(k, variance=1 + k / 100) for k in range(5)]})
    low, high = next(axes for axes in figure.axes if axes.get_title() == "variance").get_ylim()
    assert high >= 9.99 * low


def test_bars_and_curve():
    whole = LesionRow(block="", kind="", accuracy=proportion(9, 10), change=None)
    cut = LesionRow(block="$a$", kind="block", accuracy=proportion(4, 10), change=paired_difference([0, 1], [1, 1]))
    figure = lesion_bars([whole, cut, cut])
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.4, 0.4]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["$a$ (block)"] * 2
    assert png(figure).startswith(b"\x89PNG")
    rows = [PathRow(blocks=k, share_of_paths=0.5, share_of_gradient=s, norm_of_one=1.0) for k, s in enumerate((0.25, 0.75))]
    assert list(path_curve(rows).axes[0].lines[1].get_ydata()) == [0.25, 0.75]
