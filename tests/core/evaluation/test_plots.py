"""The pictures of an evaluation hold the figures that were given."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from dlcli.core.evaluation.calibration import reliability
from dlcli.core.evaluation.plots import MisclassifiedImage, confusion_plot, mistakes_grid, reliability_plot
from dlcli.core.html_report.figures import COLOURS, png
from dlcli.core.proportion import proportion


def test_the_confusion_matrix_has_its_counts_in_their_cells():
    matrix = np.array([[5, 0, 1], [2, 1234, 0]])
    figure = confusion_plot(matrix, ["a", "b"], ["a", "b", "c"])
    texts = {tuple(text.get_position()): text.get_text() for text in figure.axes[0].texts}
    assert texts == {(0, 0): "5", (2, 0): "1", (0, 1): "2", (1, 1): "1,234"}
    shades = np.asarray(figure.axes[0].images[0].get_array())
    assert (shades[..., 3] ** 2).sum(1) == pytest.approx([1, 1])


def test_many_classes_and_a_class_without_images_are_drawn():
    matrix = np.eye(120, dtype=np.int64) * 3
    matrix[7] = 0
    names = [f"a class with a long name {k}" for k in range(120)]
    figure = confusion_plot(matrix, names, names)
    assert not figure.axes[0].texts and png(figure).startswith(b"\x89PNG")


def test_reliability_shows_each_bin_that_has_images():
    confidence, correct = np.array([0.31, 0.32, 0.95, 0.96, 0.97, 1.0]), np.array([0, 1, 1, 1, 1, 1], dtype=bool)
    found = reliability(confidence, correct)
    figure = reliability_plot(found, proportion(1, 10))
    upper, lower = figure.axes
    assert [bar.get_height() for bar in upper.patches] == [0.5, 1.0]
    assert [bar.get_height() for bar in lower.patches] == [2, 4]
    assert upper.patches[0].get_x() == pytest.approx(4 / 15)


def test_bins_of_few_images_are_grey():
    confidence = np.array([0.31] * 9 + [0.95] * 10)
    figure = reliability_plot(reliability(confidence, confidence > 0.5), proportion(1, 10), unit="video")
    few, many = (to_hex(bar.get_facecolor()) for bar in figure.axes[0].patches)
    assert (few, many) == ("#c8c8c8", COLOURS[6])
    assert "fewer than 10 videos" in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("count", [1, 6, 7, 24])
def test_the_grid_shows_every_mistake(count: int):
    one = MisclassifiedImage(np.random.default_rng(0).random((3, 8, 8)), "true $x$", "other [b]", 0.987)
    figure = mistakes_grid([one] * count, title="a title")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == count
    assert all(axes.get_xlabel() == "98.7% sure" and "true $x$" in axes.get_title() for axes in shown)
    assert png(figure).startswith(b"\x89PNG")
