"""The parts of a page: what they show, and that every text is escaped."""

import base64
import re

import pytest

from dlcli.core.html_report.parts import (
    Bar,
    Bars,
    Beside,
    CardImage,
    Chart,
    Fold,
    Gallery,
    PageTable,
    percent,
    percent_cell,
)
from dlcli.core.proportion import proportion
from dlcli.specs.estimates import Difference, Estimate, PointEstimate


def columns(table: str) -> list[str]:
    return re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', table)


def test_a_table_of_six_columns_is_shown_and_of_more_only_the_first_six():
    whole = PageTable("c", "abcdef", ["123456"]).html()
    assert columns(whole) == list("abcdef") and "<details>" not in whole
    shown, _, folded = PageTable("c", "abcdefgh", ["12345678"], strong=0).html().partition("<details>")
    assert columns(shown) == list("abcdef") and columns(folded) == list("abcdefgh")
    assert shown.count('<tr class="strong">') == folded.count('<tr class="strong">') == 1
    assert "All 8 columns" in folded and "<td>8</td>" in folded and "<td>7</td>" not in shown


def test_every_text_is_escaped():
    odd = "<i>&"
    parts = [
        PageTable(odd, [odd, odd], [[odd, (odd, odd)]]),
        Bars(odd, (odd, odd), [Bar(odd, (proportion(1, 2), None), odd)]),
        Chart("", odd),
        Gallery(odd, [[CardImage(b"", odd, odd)]]),
        Fold(odd, []),
    ]
    shown = Beside(parts).html()
    assert "<i>&" not in shown and shown.count("&lt;i&gt;&amp;") == 6 + 6 + 1 + 3 + 1


def test_words_stand_on_the_left():
    table = PageTable("c", ["a", "b", "c", "d"], [["cause", "evidence", "command", "0.5"]], words=3).html()
    cells = re.findall(r"<(?:th|td)\b([^>]*)>", table)
    assert ["words" in cell for cell in cells] == [False, True, True, False] * 2


@pytest.mark.parametrize(
    ("found", "value", "interval"),
    [
        (Estimate(0.5, 0.25, 0.75, 4), "50.0", "[25.0, 75.0]"),
        (Difference(-0.0123, -0.03, 0.0049, 4), "-1.2", "[-3.0, +0.5]"),
        (Difference(-1e-9, -0.03, 0.03, 4), "+0.0", "[-3.0, +3.0]"),
        (PointEstimate(value=0.5, n=3, why="3 values"), "50.0", "(no interval: 3 values)"),
    ],
)
def test_shares_are_in_percent(found, value: str, interval: str):
    assert percent(found) == (value, interval) == percent_cell(found)
    assert percent_cell(None) == "–"


def test_a_bar_is_as_long_as_its_share_and_its_whisker_as_its_interval():
    found = Estimate(0.8125, 0.5, 0.9375, 16)
    shown = Bars("c", ("accuracy",), [Bar("a", (found,), "n 16")]).html()
    assert '<i style="width:81.25%"></i><b style="left:50.00%;width:43.75%"></b>' in shown
    assert "81.2% <small>[50.0, 93.8]</small>" in shown and "n 16" in shown and 'class="keys"' not in shown


def test_of_many_bars_the_first_are_shown_and_none_is_lost():
    bars = [Bar(f"class {k}", (proportion(k, 100),)) for k in range(100)]
    shown, _, folded = Bars("c", ("accuracy",), bars).html().partition("<details>")
    assert 10 <= shown.count("<li>") < 30 and shown.count("<li>") + folded.count("<li>") == 100
    assert f"{folded.count('<li>')} more" in folded


def test_images_are_in_the_page_with_their_alternative_texts():
    card = [CardImage(b"one", "first", "1"), CardImage(b"two", "second", "2", small=False)]
    shown = Gallery("c", [card, card]).html()
    found = re.findall(r'<img( class="pixels")? alt="([^"]*)" src="data:image/png;base64,([^"]*)">', shown)
    assert [(bool(small), alt, base64.b64decode(data)) for small, alt, data in found] == [
        (True, "first", b"one"),
        (False, "second", b"two"),
    ] * 2
