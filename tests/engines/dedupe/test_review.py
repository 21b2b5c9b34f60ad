"""`review`: pairs to label by hand, as a page."""

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from dlcli.core.text.clusters import Groups
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.table_input import SAMPLE, open_table
from dlcli.engines import dedupe
from dlcli.engines.dedupe import review as _dedupe_review
from dlcli.engines.dedupe.candidates import find_candidates, plan_search
from dlcli.engines.dedupe.review import make_review
from dlcli.engines.dedupe.scores import choose_scorer, corrected, table_words
from dlcli.engines.dedupe.stages import distinct_texts, group_texts, read_text_column
from dlcli.specs.dedupe import THRESHOLD, DedupeConfig
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT
from dlcli.support.tables import write_csv


def stages(config):
    text_column = read_text_column(config, SILENT)
    texts = distinct_texts(config, text_column)
    pairs, words = find_candidates(config, texts, plan_search(config, texts), SILENT).pairs, table_words(config, texts)
    return text_column, texts, corrected(config, score_pairs(choose_scorer(config), texts, pairs, words), texts.rows)


@pytest.mark.parametrize("rule", ["central", "first", "longest", "max:votes"])
def test_the_page_has_the_groups_of_the_table(tmp_path, rule):
    sample = open_table(SAMPLE)
    voted = sample.extend(["votes"], lambda start, stop: [[k * 7 % 31] for k in range(start, stop)])
    with (tmp_path / "voted.csv").open("w", newline="", encoding="utf-8") as stream:
        write_csv(voted, stream)
    path, page = str(tmp_path / "voted.csv"), tmp_path / "page.html"
    config = DedupeConfig(table=path, column="question", keep_rule=rule, review=page)
    text_column, texts, scored = stages(config)
    review = make_review(config, text_column, texts, scored)
    again = _groups(review)
    groups: Groups = group_texts(config, texts, scored.duplicates(THRESHOLD))
    wanted = {int(texts.row[k]) + 1: int(texts.row[c]) + 1 for k, c in enumerate(groups.canonical)}
    assert again == wanted
    dedupe.run(config)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert len(data["first"]) == len(review.first) > 0
    assert min(data["probability"]) >= data["lowest"] == round(THRESHOLD / 2, 2)


def _groups(review):
    """Row of each text to row of its canonical text, by definition: each in order joins the most similar canonical text."""
    above = [k for k in range(len(review.first)) if review.probability[k] >= review.threshold]
    similarity = {}
    for k in above:
        a, b, p = int(review.first[k]), int(review.second[k]), float(review.probability[k])
        similarity.setdefault(a, {})[b] = similarity.setdefault(b, {})[a] = p
    order = list(range(len(review.texts)))
    if review.central:
        order.sort(key=lambda text: -len(similarity.get(text, {})))
    place, canonical_of = {text: k for k, text in enumerate(order)}, {}
    for text in order:
        candidates = [other for other in similarity.get(text, {}) if canonical_of.get(other) == other]
        canonical_of[text] = min(candidates, key=lambda other: (-similarity[text][other], place[other]), default=text)
    return {review.rows[text]: review.rows[canonical] for text, canonical in canonical_of.items()}


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
@pytest.mark.parametrize("rule", ["central", "first", "longest"])
def test_the_page_counts_duplicates_as_the_result_does(tmp_path, rule):
    texts = "a red apple\nA red apple!\na red apple pie\na red apples pie\na red apples pie\nalone here\nAlone here\nother\n\n"
    (tmp_path / "t.csv").write_text("text\n" + texts, encoding="utf-8")
    for table, column in ((str(tmp_path / "t.csv"), "text"), ("questions", "question")):
        for threshold in (0.1, THRESHOLD, 0.9):
            options = {"keep_rule": rule, "threshold": threshold, "review": tmp_path / "page.html"}
            config = DedupeConfig(table=table, column=column, **options)
            result = dedupe.run(config)
            page = (tmp_path / "page.html").read_text(encoding="utf-8")
            script = "".join((files("dlcli.core.text.review") / "review_groups.js").read_text(encoding="utf-8"))
            script += "const given = JSON.parse(require('fs').readFileSync(0)); const { canonicalOf } = groupCards("
            script += "given.texts.length, given, given.threshold, given.central);"
            script += "console.log(JSON.stringify(totals(canonicalOf, given, given.threshold)));"
            data = re.search(r'id="data">(.*?)</script>', page)[1]
            done = subprocess.run([shutil.which("node"), "-e", script], input=data, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            assert (found["exact"], found["near"], found["groups"]) == (result.rows_exact, result.rows_near, result.groups)
            assert result.rows_exact + result.rows_near > 0


def test_a_table_without_pairs_has_a_page_too(tmp_path):
    (tmp_path / "t.csv").write_text("text\none\n\n", encoding="utf-8")
    dedupe.run(DedupeConfig(table=str(tmp_path / "t.csv"), review=tmp_path / "page.html"))
    assert '"first":[]' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_too_many_pairs_are_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(_dedupe_review, "MAX_PAIRS", 3)
    notes = []
    report = type("Heard", (), {"note": notes.append, "warn": notes.append, "task": SILENT.task})()
    dedupe.run(DedupeConfig(table="questions", review=tmp_path / "page.html"), report=report)
    assert any("too many for a page" in note for note in notes)


def test_options_that_cannot_be_combined_are_refused():
    with pytest.raises(UsageError, match="`pairs` and `label` cannot be combined"):
        DedupeConfig(label=3, pairs=True)
    with pytest.raises(UsageError, match=r"does not end in .html"):
        DedupeConfig(review=Path("questions.csv"))
