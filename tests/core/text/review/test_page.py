"""The review page as text, and its grouping in node beside the one in Python."""

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest

from dlcli.core.text.clusters import group_in_order
from dlcli.core.text.distinct import distinct
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.review.page import ReviewPage
from dlcli.core.text.search.neighbours import Pairs

NASTY = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "line\u2028and\u2029paragraph, \"quoted\", 'single'",
    "a\r\nb\rc\n",
    "&lt;b&gt; &amp; <img src=x onerror=alert(1)>",
    "كيف أتعلم لغة بايثون؟",
    "How do I 👩‍👩‍👧 this 🎉?",
    "\ud800 alone",
    "\x00\x1b[31m red",
    "$& ${x} \\1 \\u003c",
    "<!-- lead -->",
]


def review(texts, edges, **options):
    first, second, probability = (np.array(values) for values in zip(*edges, strict=True))
    settings = {"source": "a <b> & c.csv", "column": "<i>q", "threshold": 0.5, "lowest": 0.3, **options}
    rows = list(range(1, len(texts) + 1))
    return ReviewPage(
        texts=texts, rows=rows, copies=[1] * len(rows), first=first, second=second, probability=probability, **settings
    )


def nasty():
    return review(NASTY, [(k, k + 1, 0.3 + k / 20) for k in range(len(NASTY) - 1)])


class Reader(HTMLParser):
    """Reads a page as a browser does: what is in which tag."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.inside, self.content = [], [], {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "input"}:
            self.inside.append(tag + "#" + dict(attrs).get("id", ""))

    def handle_endtag(self, tag):
        assert self.inside.pop().startswith(tag + "#")

    def handle_data(self, data):
        place = self.inside[-1] if self.inside else ""
        self.content[place] = self.content.get(place, "") + data


def embedded(page):
    return json.loads(Reader(page).content["script#data"])


def test_texts_come_back_to_the_letter_and_only_as_data():
    page = nasty().html()
    data = embedded(page)
    assert ["".join(pieces) for pieces, _ in data["texts"]] == NASTY
    assert [tag for tag, _ in Reader(page).tags].count("script") == 2
    assert not {"img", "b", "i"} & {tag for tag, _ in Reader(page).tags}
    raw = page[page.index('id="data">') :].partition("</script>")[0]
    assert raw.isascii() and not set("<>&") & set(raw.removeprefix('id="data">'))
    page.encode("utf-8")


def test_names_are_escaped():
    content = Reader(nasty().html()).content
    assert "a <b> & c.csv" in content["title#"] and "column '<i>q'" in content["p#"]


def test_nothing_is_fetched_and_only_the_own_script_may_run():
    page = nasty().html()
    reader = Reader(page)
    assert reader.inside == []
    assert not {"link", "iframe", "object", "base", "form"} & {tag for tag, _ in reader.tags}
    assert not [name for _, found in reader.tags for name in found if name in {"src", "href"} or name.startswith("on")]
    policy = next(found["content"] for _, found in reader.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ") and re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'$", policy)
    own = reader.content["script#"]
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\b|fetch\(|XMLHttp|https?:", own)


def test_controls_have_names():
    """Every field has a label, every button a word, every id that a label points to is there once."""
    page = nasty().html()
    tags = Reader(page).tags
    ids = [found["id"] for _, found in tags if "id" in found]
    assert len(ids) == len(set(ids))
    assert {found["for"] for tag, found in tags if tag == "label" and "for" in found} <= set(ids)
    assert re.findall(r"<button[^>]*>\s*</button>", page) == []


def test_only_texts_of_pairs_are_on_the_page_and_pairs_stand_as_the_grouping_takes_them():
    texts = ["unused", "a", "unused too", "b", "c"]
    data = embedded(review(texts, [(1, 4, 0.6), (3, 4, 0.9), (1, 3, 0.4)]).html())
    assert ["".join(pieces) for pieces, _ in data["texts"]] == ["a", "b", "c"]
    assert data["rows"] == [2, 4, 5]
    found = list(zip(data["first"], data["second"], data["probability"], strict=True))
    assert found == [(0, 1, 0.4), (1, 2, 0.9), (0, 2, 0.6)]


def test_too_many_pairs_are_cut_to_the_least_certain_and_the_page_says_so():
    page = review(["a", "b", "c", "d"], [(0, 1, 0.99), (2, 3, 0.51)]).html(most=1)
    assert embedded(page)["probability"] == [0.51]
    assert "1 pair further from the threshold is not on this page" in page


def test_no_pair_is_a_page_too():
    none = np.empty(0, np.int32)
    page = ReviewPage("t", "q", ["a"], [1], [1], none, none, np.empty(0), 0.5, 0.3).html()
    assert embedded(page)["texts"] == []


NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node on this machine")


def in_node(expression, given):
    """The value of a JavaScript expression over `given`, with the page's own functions at hand."""
    script = (files("dlcli.core.text.review") / "review_groups.js").read_text(encoding="utf-8")
    script += f"const given = JSON.parse(require('fs').readFileSync(0)); console.log(JSON.stringify({expression}));"
    done = subprocess.run([NODE, "-e", script], input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def draw(rng):
    n = int(rng.integers(2, 30))
    first, second = np.triu_indices(n, 1)
    kept = rng.random(len(first)) < rng.uniform(0.05, 1)
    kept[rng.integers(len(first))] = True
    grain = int(rng.choice([3, 10, 1000]))  # coarse grains give many equal scores
    probability = (rng.integers(0, grain + 1, len(first)) / grain).astype(rng.choice([np.float32, np.float64]))
    texts, central = [f"text {k:02}" for k in range(n)], bool(rng.integers(2))
    return review(texts, list(zip(first[kept], second[kept], probability[kept], strict=True)), central=central)


@needs_node
def test_the_page_groups_as_python_does_at_every_threshold():
    rng = np.random.default_rng(5)
    pages = [draw(rng) for _ in range(200)]
    cases, wanted = [], []
    for page in pages:
        data = embedded(page.html())
        for threshold in (0.0, 1.0, float(rng.random()), float(rng.choice(page.probability))):
            above = page.probability.astype(np.float64) >= threshold
            pairs = Pairs(page.first[above], page.second[above], page.probability[above])
            order = canonical_order("central" if page.central else "first", distinct(page.texts), pairs)
            groups = group_in_order(order, pairs)
            cases.append({"n": len(data["texts"]), "pairs": data, "threshold": threshold})
            wanted.append([page.rows[groups.canonical[row - 1]] for row in data["rows"]])
    found = in_node("given.map((c) => groupTexts(c.n, c.pairs, c.threshold, c.pairs.central).canonicalOf)", cases)
    rows = [[case["pairs"]["rows"][k] for k in canonical] for case, canonical in zip(cases, found, strict=True)]
    assert rows == wanted


@needs_node
def test_cards_hold_each_member_once_and_go_by_distance_from_the_threshold():
    rng = np.random.default_rng(6)
    for case in [draw(rng) for _ in range(10)]:
        data = embedded(case.html())
        found = in_node(
            "groupCards(given.texts.length, given, 0.5, given.central)"
            ".every.map((c) => [c.canonical, c.members, c.near, c.distance])",
            data,
        )
        members = [k for _, pairs, _, _ in found for k in pairs]
        ends = {(data["first"][k], data["second"][k]): canonical for canonical, inside, _, _ in found for k in inside}
        joined = [sum(pair) - canonical for pair, canonical in ends.items()]
        assert len(joined) == len(set(joined))
        assert all(data["probability"][k] >= 0.5 for k in members)
        near = [k for _, _, pairs, _ in found for k in pairs]
        assert all(data["probability"][k] < 0.5 for k in near)
        assert not {data[end][k] for k in near for end in ("first", "second")} & set(joined)
        distances = [min(abs(data["probability"][k] - 0.5) for k in [*inside, *near]) for _, inside, near, _ in found]
        assert distances == sorted(distances) == [distance for *_, distance in found]


@needs_node
def test_the_export_is_read_back_as_it_was():
    data = embedded(nasty().html())
    labels = [[k, k % 2] for k in range(len(NASTY) - 1) if "\ud800" not in NASTY[k] + NASTY[k + 1]]
    text = in_node("csv(given.data.texts, given.data, new Map(given.labels))", {"data": data, "labels": labels})
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["question1", "question2", "is_duplicate"]
    assert rows[1:] == [[NASTY[k], NASTY[k + 1], str(label)] for k, label in labels]


@needs_node
def test_words_of_one_text_only_are_marked():
    data = embedded(review(["How do I LEARN python?", "how can i learn Python 3"], [(0, 1, 0.6)]).html())
    found = in_node("[[0, 1], [1, 0]].map(([a, b]) => differing(given.texts[a], given.texts[b]))", data)
    marked = [
        [piece for piece, differs in zip(text[0], flags, strict=True) if differs]
        for text, flags in zip(data["texts"], found, strict=True)
    ]
    assert marked == [["do"], ["can", "3"]]


def marked_in_node(one, other):
    data = embedded(review([one, other], [(0, 1, 0.6)]).html())
    found = in_node("[[0, 1], [1, 0]].map(([a, b]) => differing(given.texts[a], given.texts[b]))", data)
    return [
        [piece for piece, differs in zip(text[0], flags, strict=True) if differs]
        for text, flags in zip(data["texts"], found, strict=True)
    ]


@needs_node
@pytest.mark.parametrize(
    ("one", "other", "marked"),
    [
        ("a train from Rome to Paris", "a train from Paris to Rome", [["Rome", "Paris"], ["Paris", "Rome"]]),
        ("red shoes, size 42", "shoes red size 42", [["shoes,"], ["shoes"]]),
        ("learn python how can I", "how can I learn python", [["learn", "python"], ["learn", "python"]]),
        ("it is very very good", "it is very good", [["very"], []]),
        ("狗咬人", "人咬狗", [["狗", "人"], ["人", "狗"]]),
        ("C++ or Java", "Java or C++", [["C++", "Java"], ["Java", "C++"]]),
    ],
)
def test_words_elsewhere_are_marked_where_only_the_order_differs(one, other, marked):
    assert marked_in_node(one, other) == marked


@needs_node
def test_without_the_marked_words_both_texts_of_the_same_words_are_equal():
    rng = np.random.default_rng(8)
    for _ in range(20):
        words = [f"w{k}" for k in rng.integers(0, 6, int(rng.integers(2, 9)))]
        one, other = (" ".join(rng.permutation(words).tolist()) for _ in range(2))
        if one == other:
            continue
        data = embedded(review([one, other], [(0, 1, 0.6)]).html())
        flags = in_node("[[0, 1], [1, 0]].map(([a, b]) => differing(given.texts[a], given.texts[b]))", data)
        kept = [
            [piece for piece, differs in zip(text[0], marks, strict=True) if not differs and piece.strip()]
            for text, marks in zip(data["texts"], flags, strict=True)
        ]
        in_place = [a == b for a, b in zip(one.split(), other.split(), strict=True)]
        assert kept[0] == kept[1] and len(kept[0]) >= sum(in_place)
        assert any(map(any, flags))


@needs_node
def test_long_texts_are_marked_without_comparing_each_word_with_each():
    one = " ".join(f"w{k}" for k in range(3000))
    other = " ".join(f"w{k}" for k in [*range(1, 3000), 0])
    assert [len(found) for found in marked_in_node(one, other)] == [3000, 3000]


@needs_node
@pytest.mark.parametrize("lowest", [0.0, 0.3, 1.0])
def test_every_pair_is_in_one_bar(lowest):
    values = np.random.default_rng(1).uniform(lowest, 1, 500).tolist() + [lowest, 1.0]
    counts = in_node("histogram(given[0], given[1], 40)", [values, lowest])
    if lowest < 1:
        edges = lowest + np.arange(1, 40) * ((1 - lowest) / 40)
        inner = [value for value in values if np.abs(edges - value).min() > 1e-9]
        assert np.abs(np.array(counts) - np.histogram(values, 40, (lowest, 1))[0]).sum() <= 2 * (len(values) - len(inner))
    assert sum(counts) == len(values)
