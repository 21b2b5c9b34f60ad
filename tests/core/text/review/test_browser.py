"""The review page driven in a headless browser: what a person sees, clicks and types."""

import csv
import time

import numpy as np
import pytest

from dlcli.core.text.clusters import group_texts
from dlcli.core.text.review.page import ReviewPage
from dlcli.core.text.search.neighbours import Pairs
from tests.browser import browser, needs_browser

pytestmark = [pytest.mark.slow, needs_browser]

TEXTS = [
    "How do I <b>reset</b> my password?",
    "how do I change my password",
    "كيف أتعلم لغة بايثون؟",
    "كيف أتعلم لغة جافا؟",
    "</script><script>document.title='run'</script>",
    "怎么学习德语？ 👩‍👩‍👧",
    "What is the best way to learn a language which has words without end? " * 6,
]
EDGES = [(0, 1, 0.62), (2, 3, 0.51), (4, 5, 0.45), (0, 6, 0.9), (1, 6, 0.7)]


def page(texts=TEXTS, edges=EDGES, threshold=0.5, lowest=0.3):
    first, second, probability = (np.array(values) for values in zip(*edges, strict=True))
    rows = list(range(1, len(texts) + 1))
    return ReviewPage("questions.csv", "question", texts, rows, [1] * len(rows), first, second, probability, threshold, lowest)


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with browser(folder, "--window-size=1000,900") as found:
        found.folder = folder
        yield found


@pytest.fixture
def show(window, tmp_path):
    """Open a page, and find at the end that the console stayed silent."""

    def open_page(review):
        path = tmp_path / "review.html"
        # Labels are stored by the name of the table: the test before may still be storing its own.
        own = review.html().replace('"source":"questions.csv"', f'"source":"{tmp_path.name}"')
        path.write_text(own, encoding="utf-8")
        window.open(path)
        return window

    yield open_page
    window.run("return withStore((store) => resultOf(store.clear()), 'readwrite')")
    assert window.log() == []


SEEN = """return [...document.querySelectorAll('.pair')].map((pair) => [
  pair.querySelector('strong').textContent, ...[...pair.querySelectorAll('.text')].map((text) => text.textContent)])"""


def test_pairs_are_sorted_by_distance_from_the_threshold_and_shown_as_written(show):
    window = show(page())
    seen = window.run(SEEN)
    assert [score for score, *_ in seen] == ["0.510", "0.450", "0.620", "0.900"]
    assert seen[0][1:] == TEXTS[2:4] and seen[1][1:] == TEXTS[4:6] and seen[2][1:] == TEXTS[:2]
    assert window.run("return document.title") == "Duplicates in questions.csv"
    marked = "return [...document.querySelectorAll('.pair')[0].querySelectorAll('mark')].map((mark) => mark.textContent)"
    assert window.run(marked) == ["بايثون؟", "جافا؟"]
    assert window.run("return document.querySelector('.text').matches(':dir(rtl)')")


def slide(window, value):
    set_to = "const s = document.getElementById('threshold'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))"
    window.run(set_to, value)
    window.wait(f"document.getElementById('at').value === '{value:.3f}'")


def test_the_slider_regroups_as_python_does(show):
    rng = np.random.default_rng(3)
    first, second = np.triu_indices(40, 1)
    probability = rng.integers(60, 200, len(first)) / 200
    review = page([f"text {k}" for k in range(40)], list(zip(first, second, probability, strict=True)))
    window = show(review)
    for threshold in (0.95, 0.7, 0.9):
        slide(window, threshold)
        above = probability >= threshold
        groups = group_texts(40, Pairs(first[above], second[above], probability[above]))
        members = int((groups.canonical != np.arange(40)).sum())  # each in one row, as all texts here
        centres = len(set(groups.canonical[groups.canonical != np.arange(40)].tolist()))
        said = window.run("return document.getElementById('counts').textContent")
        counts = f"0 exact and {members} near duplicates in {centres} groups; {int(above.sum())} pairs at or above"
        assert said.startswith(counts)
        assert window.run("return document.querySelectorAll('.pair').length") > 0
    window.run("document.getElementById('reset').click()")
    assert window.run("return document.getElementById('at').value") == "0.500"


def test_keys_set_labels_and_the_export_contains_them(show):
    window = show(page())
    window.press("jarju")  # first: the same, on to the second: different, on to the third, and on; take the second back
    window.press("a")  # back on the second, and label it again
    assert window.run("return document.getElementById('progress').textContent") == "2 pairs labelled: 2 same, 0 different"
    window.run("document.querySelectorAll('.pair')[3].querySelectorAll('button')[1].click()")
    window.press("e")
    saved = window.folder / "labelled_pairs.csv"
    for _ in range(200):
        if saved.exists() and saved.stat().st_size:  # the browser makes an empty file first
            break
        time.sleep(0.05)
    with saved.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["question1", "question2", "is_duplicate"]
    assert sorted(rows[1:]) == sorted([[*TEXTS[2:4], "1"], [*TEXTS[4:6], "1"], [TEXTS[0], TEXTS[6], "0"]])


def test_arrows_move_between_pairs_and_a_question_mark_opens_the_help(show):
    window = show(page())
    where = "[...document.querySelectorAll('.pair')].indexOf(document.activeElement)"
    up, down = "\ue013", "\ue015"
    for key, place in ((down, 0), (down, 1), (up, 0)):  # on a busy machine the focus follows the key only after a while
        window.press(key)
        window.wait(f"{where} === {place}")
    window.run("document.getElementById('threshold').focus()")
    window.press(down)
    window.wait("document.getElementById('at').value === '0.495'")
    assert window.run(f"return {where}") == -1
    for opened in (True, False):
        window.press("?")
        assert window.run("return document.getElementById('help').open") == opened


def test_both_charts_have_their_axes(show):
    window = show(page())
    seen = window.run("return ['most', 'lowest', 'at', 'sizes'].map((id) => document.getElementById(id).textContent)")
    assert seen == ["highest bar: 1 pair", "0.300", "0.500", "1213"]  # a group of two texts, and one of three
    slide(window, 0.65)
    assert window.run("return document.getElementById('sizes').getAttribute('aria-label')") == "1 group of 2 texts"


def test_undo_takes_back_the_last_label_wherever_the_focus_is(show):
    window = show(page())
    progress = "return document.getElementById('progress').textContent"
    focus = "[...document.querySelectorAll('.pair')].indexOf"
    window.press("jaraj")
    window.run("document.activeElement.blur()")
    window.press("u")
    assert window.run(progress) == "2 pairs labelled: 1 same, 1 different"
    assert window.run(f"return {focus}(document.activeElement)") == 2
    window.run("document.getElementById('threshold').focus()")
    window.press("u")
    assert window.run(progress) == "1 pair labelled: 1 same, 0 different"
    assert window.run(f"return {focus}(document.activeElement)") == 1
    window.press("kr")  # another label for the first, which comes back with the button
    assert window.run(progress) == "1 pair labelled: 0 same, 1 different"
    window.run("document.getElementById('undo').click()")
    assert window.run(progress) == "1 pair labelled: 1 same, 0 different"
    window.press("uu")
    assert window.run(progress) == "0 pairs labelled: 0 same, 0 different"
    assert window.run("return document.getElementById('undo').disabled")


def test_undo_shows_a_pair_that_was_hidden_once_labelled_and_works_after_a_reload(show):
    window = show(page())
    window.press("ja")
    window.run("document.getElementById('open').click()")
    assert "0.510" not in [score for score, *_ in window.run(SEEN)]
    window.press("u")
    assert "0.510" in [score for score, *_ in window.run(SEEN)]
    assert window.run("return document.activeElement.querySelector('strong').textContent") == "0.510"
    window.press("a")
    window.wait("!state.dirty")
    window.run("window.old = true; location.reload()")
    window.wait("!window.old && document.querySelector('.accepted')")
    window.press("u")
    assert window.run("return document.getElementById('progress').textContent").startswith("0 pairs labelled")


def test_a_label_set_before_stored_ones_load_moves_nothing_and_loses_none(show):
    window = show(page())
    window.run("document.querySelectorAll('.pair button')[0].click()")
    window.wait("document.querySelector('.accepted') && !state.dirty")
    window.run("labels.clear(); state.loaded = new Promise((go) => { window.go = go; }).then(loadLabels)")
    window.press("jjr")
    window.run("window.go()")
    window.wait("!state.dirty")
    assert window.run("return document.getElementById('progress').textContent") == "2 pairs labelled: 1 same, 1 different"
    assert window.run("return [...document.querySelectorAll('.pair')].indexOf(document.activeElement)") == 2
    window.run("window.old = true; location.reload()")
    window.wait("!window.old && document.querySelector('.accepted') && document.querySelector('.rejected')")


def test_labels_survive_a_reload_and_labelled_pairs_can_be_hidden(show):
    window = show(page())
    window.wait("document.readyState === 'complete'")
    window.run("document.querySelector('.pair button').click()")
    window.wait("document.querySelector('.accepted') && !state.dirty")
    window.run("window.old = true; location.reload()")
    window.wait("!window.old && document.querySelector('.accepted')")
    window.run("document.getElementById('open').click()")
    assert [score for score, *_ in window.run(SEEN)] == ["0.450", "0.620", "0.900"]
    window.run("document.getElementById('below').click()")
    assert [score for score, *_ in window.run(SEEN)] == ["0.620", "0.900"]


def test_labels_survive_closing_the_browser(tmp_path):
    path = tmp_path / "review.html"
    path.write_text(page().html(), encoding="utf-8")
    with browser(tmp_path) as window:
        window.open(path)
        window.run("document.querySelector('.pair button').click()")
        window.wait("!state.dirty")
    with browser(tmp_path) as window:
        window.open(path)
        window.wait("document.querySelectorAll('.accepted').length === 1")


def test_many_pairs_come_in_portions(show):
    texts = [f"question number {k} about {k % 97}" for k in range(10_000)]
    edges = [(2 * k, 2 * k + 1, 0.3 + 0.7 * (k * 7919 % 5000) / 5000) for k in range(5000)]
    window = show(page(texts, edges))
    drawn = "document.querySelectorAll('.pair').length"
    assert 0 < window.run(f"return {drawn}") <= 200
    before = window.run(f"return {drawn}")
    window.run("document.getElementById('more').scrollIntoView()")
    window.wait(f"{drawn} > {before}")
    slide(window, 0.8)
    assert window.run("return document.querySelector('.pair strong').textContent").startswith("0.80")


def test_a_narrow_screen_needs_no_sideways_scrolling(show):
    window = show(page(texts=["x" * 3000, *TEXTS[1:]]))
    window.ask("POST", "/window/rect", width=500, height=800)
    try:
        assert window.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    finally:
        window.ask("POST", "/window/rect", width=1000, height=900)


def test_controls_have_names_that_are_read_aloud(show):
    window = show(page())
    for selector, name in [
        ("#threshold", "Threshold"),
        (".pair button", "Same (a)"),
        (".pair", "0.510, in the group: row 3 and row 4"),
        ("#export", "Export CSV"),
        ("#undo", "Undo"),
        ("#below", "Show pairs below the threshold"),
    ]:
        found = window.ask("POST", "/element", using="css selector", value=selector)
        assert window.ask("GET", f"/element/{next(iter(found.values()))}/computedlabel").strip() == name
