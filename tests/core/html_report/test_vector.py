"""Figures as SVG in a page: the same bytes each time, well-formed, in the page's colours, and with names of their own."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from dlcli.core.html_report.figures import COLOURS, PlotSeries, accuracy_plot
from dlcli.core.html_report.vector import THEMED, svg

LINES = [PlotSeries(name, [0, 1], [0.9, y], [0.8, 0.4], [1.0, 0.6]) for name, y in (("baseline", 0.5), ("max <rule>", 0.55))]


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314


def plot(y: float = 0.5) -> Figure:
    return accuracy_plot([*LINES, PlotSeries("c", [0, 1], [0.9, y], [0.8, 0.4], [1.0, 0.6])], x_label="eps", y_label="accuracy")


def test_the_same_figure_gives_the_same_bytes_and_xml():
    drawn = svg(plot(), alt='a "picture" & more')
    assert drawn == svg(plot(), alt='a "picture" & more')
    root = parsed(drawn)
    assert (root.tag, root.get("role"), root.get("aria-label")) == ("svg", "img", 'a "picture" & more')
    texts = [one.text for one in root.iter("text")]
    assert {"eps", "accuracy", "baseline", "max <rule>"} <= set(texts)
    assert "http" not in drawn and "<style" not in drawn and "DejaVu" not in drawn


def test_no_colour_stays_that_a_dark_page_would_hide():
    drawn = svg(plot(), alt="")
    assert not re.search(r"(fill|stroke): #(000000|ffffff)", drawn)
    assert set(COLOURS) <= set(THEMED)
    assert all(f"var(--{THEMED[colour]})" in drawn for colour in COLOURS[:3])


def test_names_are_unique_between_figures_and_each_is_used():
    first, second = svg(plot(), alt=""), svg(plot(0.6), alt="")
    names = [re.findall(r' id="([^"]*)"', drawn) for drawn in (first, second)]
    assert names[0] and not set(names[0]) & set(names[1])
    for drawn, own in zip((first, second), names, strict=True):
        assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', drawn)) == set(own) and len(set(own)) == len(own)


@pytest.mark.parametrize("text", ["$x_1", "猫", "a & b"])
def test_labels_are_texts(text: str):
    figure = Figure()
    figure.subplots().set_title(text, parse_math=False)
    assert text in [one.text for one in parsed(svg(figure, alt="")).iter("text")]


def test_an_image_keeps_its_few_pixels():
    figure = Figure()
    figure.subplots().imshow(np.eye(3), interpolation="none")
    drawn = svg(figure, alt="")
    assert "pixelated" in drawn and len(drawn) < 20_000
