import numpy as np

from dlcli.core.gradients.plots import acf_plot, layer_strip, lesion_bars, path_curve
from dlcli.core.html_report.figures import png
from dlcli.core.stats import paired_difference, wilson
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


def test_curves_stand_beside_both_noises():
    figure = acf_plot({"mine": np.linspace(1, 0, 33)}, 64)
    (axes,) = figure.axes
    names = [line.get_label() for line in axes.lines]
    assert names == ["Brownian noise", "white noise", "mine"]
    assert all(line.get_ydata()[0] == 1 for line in axes.lines)
    brown, white, _ = (line.get_ydata() for line in axes.lines)
    assert brown[1] > 0.8 and abs(white[1]) < 0.1
    assert png(figure).startswith(b"\x89PNG")


def test_the_strip_has_a_column_an_activation():
    for layers in ([layer(1)], [layer(k, gradient=10.0**-k) for k in range(30)], [layer(1, gradient=None, variance=0.0)]):
        figure = layer_strip(layers)
        images = [axes.images[0] for axes in figure.axes if axes.images]
        assert [image.get_array().shape for image in images] == [(1, len(layers))] * 5
        assert png(figure).startswith(b"\x89PNG")


def test_bars_and_curve():
    whole = LesionRow(block="", kind="", accuracy=wilson(9, 10), change=None)
    cut = LesionRow(block="$a$", kind="block", accuracy=wilson(4, 10), change=paired_difference([0, 1], [1, 1]))
    figure = lesion_bars([whole, cut, cut])
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.4, 0.4]
    assert png(figure).startswith(b"\x89PNG")
    rows = [PathRow(blocks=k, share_of_paths=0.5, share_of_gradient=s, norm_of_one=1.0) for k, s in enumerate((0.25, 0.75))]
    assert list(path_curve(rows).axes[0].lines[1].get_ydata()) == [0.25, 0.75]
