"""Figures: what is drawn, and that drawing leaves no trace."""

import io
import logging

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dlcli.core.html_report.figures import (
    AdversarialExample,
    PlotSeries,
    accuracy_plot,
    difference_plot,
    example_grid,
    history_plot,
    paired_plot,
    png,
)
from dlcli.core.html_report.vector import svg


def example(channels: int = 1, eps: float = 0.25, **names: str) -> AdversarialExample:
    clean = np.full((channels, 4, 4), 0.5, dtype=np.float32)
    change = np.full_like(clean, eps)
    change[:, :, :2] *= -1
    told = {"true": "7", "predicted_clean": "7", "predicted_adversarial": "3"} | names
    return AdversarialExample(clean=clean, adversarial=clean + change, **told)


def test_the_grid_shows_each_image_with_its_verdict_and_the_signed_difference() -> None:
    figure = example_grid([example(), example(predicted_clean="9")], eps=0.25, title="fgsm")
    axes = np.array(figure.axes[:6]).reshape(3, 2)
    assert [one.get_title() for one in axes.flat] == ["7 → 7", "7 → 9", "7 → 3", "7 → 3", "", ""]
    assert [one.get_ylabel() for one in axes[:, 0]] == ["clean", "adversarial", "difference"]
    difference = axes[2, 0].images[0]
    assert difference.get_clim() == (-0.25, 0.25)
    assert np.allclose(difference.get_array(), [[-0.25, -0.25, 0.25, 0.25]] * 4)
    assert axes[0, 0].images[0].get_clim() == (0, 1)


@pytest.mark.parametrize(("channels", "shape"), [(1, (4, 4)), (2, (4, 4)), (3, (4, 4, 3)), (4, (4, 4))])
def test_any_number_of_channels_is_drawn(channels: int, shape: tuple[int, ...]) -> None:
    figure = example_grid([example(channels)], eps=0.25)
    assert figure.axes[0].images[0].get_array().shape == shape


@pytest.mark.parametrize("count", [1, 8])
def test_the_picture_is_a_png_with_something_on_it(count: int) -> None:
    data = png(example_grid([example(3, 0.0)] * count, eps=0.0))
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    assert picture.shape[1] > 100 * count and picture.std() > 10


def test_labels_are_drawn_as_they_are_and_cut_when_long(recwarn: pytest.WarningsRecorder) -> None:
    figure = example_grid([example(true="$x_1", predicted_clean="猫", predicted_adversarial="a" * 30)], eps=0.1)
    assert figure.axes[0].get_title() == "$x_1 → 猫"
    assert figure.axes[1].get_title() == "$x_1\n→ " + "a" * 12 + "…"
    png(figure)
    assert not recwarn.list


def test_no_label_overlaps_another() -> None:
    names = {"true": "golden retriever", "predicted_clean": "tench", "predicted_adversarial": "English springer"}
    figure = example_grid([example(**names)] * 8, eps=0.1, title="title")
    png(figure)
    boxes = [one.title.get_window_extent() for one in figure.axes if one.get_title()]
    boxes += [one.get_window_extent() for one in figure.axes]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])


def test_the_plot_has_a_line_and_a_band_for_each_series() -> None:
    lines = [PlotSeries(name, [0, 0.1], [0.9, 0.5], [0.8, 0.4], [1.0, 0.6]) for name in ("baseline", "max rule")]
    axes = accuracy_plot(lines, x_label="eps", y_label="accuracy, %").axes[0]
    assert [line.get_label() for line in axes.lines] == ["baseline", "max rule"]
    assert np.allclose(axes.lines[1].get_xydata(), [[0, 0.9], [0.1, 0.5]])
    assert len({line.get_color() for line in axes.lines}) == len({line.get_marker() for line in axes.lines}) == 2
    low, high = axes.collections[0].get_paths()[0].vertices[:, 1].min(), axes.collections[0].get_paths()[0].vertices[:, 1].max()
    assert (low, high) == (0.4, 1.0)
    assert axes.get_xlabel() == "eps" and axes.get_ylim()[0] <= 0 and axes.get_ylim()[1] >= 1


def test_an_axis_of_the_data_shows_small_differences_and_is_in_percent():
    lines = [PlotSeries(name, [1, 2], [y, y], [y, y], [y, y]) for name, y in (("a", 0.95), ("b", 0.96))]
    (axes,) = accuracy_plot(lines, x_label="epoch", y_label="accuracy", whole=False).axes
    low, high = axes.get_ylim()
    assert 0.94 < low < 0.95 and 0.96 < high < 0.97
    assert axes.yaxis.get_major_formatter()(0.955, 0) == "95.5"
    assert all(float(x).is_integer() for x in axes.get_xticks())


def test_a_second_panel_has_the_differences_around_zero():
    lines = [PlotSeries(name, [1, 2], [0.9, y], [0.8, 0.4], [1.0, 0.6]) for name, y in (("a", 0.5), ("b", 0.55))]
    gap = PlotSeries("a minus b", [1, 2], [0.0, -0.05], [-0.01, -0.07], [0.01, -0.03])
    upper, lower = paired_plot(lines, gap, x_label="epoch", y_label="accuracy", difference_label="difference").axes
    assert [line.get_label() for line in upper.lines] == ["a", "b"]
    zero, drawn = lower.lines
    assert set(zero.get_ydata()) == {0} and np.allclose(drawn.get_xydata(), [[1, 0], [2, -0.05]])
    assert lower.get_ylim()[0] < -0.07 and lower.get_ylim()[1] < 0.1
    assert lower.yaxis.get_major_formatter()(0.01, 0) == "+1" and lower.get_xlabel() == "epoch"


def test_the_first_epochs_do_not_hide_what_comes_after_them():
    y = [0.1, 0.5, 0.95, 0.951, 0.95, 0.951, 0.95, 0.951]
    lines = [PlotSeries(name, range(1, 9), y, y, [value + gap for value in y]) for name, gap in (("a", 0.0), ("b", 0.002))]
    gap = PlotSeries("gap", range(1, 9), y, [-0.9] * 2 + [0.001] * 6, [0.9] * 2 + [0.002] * 6)
    upper, lower = paired_plot(lines, gap, x_label="", y_label="", difference_label="").axes
    assert 0.94 < upper.get_ylim()[0] < 0.95 and 0.953 < upper.get_ylim()[1] < 0.96
    assert -0.01 < lower.get_ylim()[0] < 0 and 0.002 < lower.get_ylim()[1] < 0.01


def test_a_history_has_accuracies_in_percent_above_losses():
    accuracies, losses = (
        [PlotSeries(name, [1, 2], y, y, y) for name in ("training", "test")] for y in ([0.5, 0.9], [2.0, 0.3])
    )
    figure = history_plot(accuracies, losses)
    upper, lower = figure.axes
    assert upper.yaxis.get_major_formatter()(0.5, 0) == "50" and lower.lines[0].get_ydata()[0] == 2.0
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "test"]


def test_differences_are_lines_around_zero_with_their_own_colours():
    lines = [
        PlotSeries(name, [1, 2, 3], [0.0, y, y], [0.0, 0.0, 0.0], [0.0, 0.1, 0.1]) for name, y in (("a", 0.05), ("b", 0.02))
    ]
    figure = difference_plot(lines, x_label="members", y_label="gain")
    zero, *drawn = figure.axes[0].lines
    assert [line.get_label() for line in drawn] == ["a", "b"] == [text.get_text() for text in figure.legends[0].get_texts()]
    assert len({line.get_color() for line in (zero, *drawn)}) == 3


def test_an_absent_font_is_no_message(caplog: pytest.LogCaptureFixture):
    """matplotlib logs it hundreds of times for one picture, which -v would print."""
    logger = logging.getLogger("matplotlib.font_manager")
    before = logger.level
    with mpl.rc_context({"font.family": "No Such Font"}), caplog.at_level(logging.WARNING):
        for draw in (png, lambda figure: svg(figure, alt="one")):
            figure = Figure()
            figure.subplots().set_title("a title")
            draw(figure)
    assert not [one for one in caplog.records if one.name == logger.name] and logger.level == before
