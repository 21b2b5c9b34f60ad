import hashlib
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.core.text.scoring.crowding import others
from dlcli.core.text.scoring.explanation import explain
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import count_words
from dlcli.core.text.scoring.scored_pairs import ScoredPairs
from dlcli.core.text.search.neighbours import Pairs
from dlcli.core.text.tokens import fold
from dlcli.core.text.vectors.encoders import tfidf
from dlcli.engines.dedupe.engine import plan, run
from dlcli.engines.dedupe.scores import corrected
from dlcli.specs.dedupe import ADDED_COLUMNS, PAIR_COLUMNS, THRESHOLD, DedupeConfig, parse_masks
from dlcli.support.errors import InputError, UsageError
from dlcli.support.tables import write_csv, write_jsonl
from tests.recording import RecordingReporter


@pytest.fixture
def table(tmp_path):
    """Write a table of one text column and an id, and give its path."""

    def write(texts, name="t.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps({"id": k, "text": text}) + "\n" for k, text in enumerate(texts)), encoding="utf-8")
        return str(path)

    return write


def grouped(path, **options):
    result = run(DedupeConfig(table=path, **options))
    return result, [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]


QUESTIONS = [
    "How do I exit Vim?",
    "how do i exit vim",
    "",
    "Where is the cache folder kept on this machine?",
    "Where is the cache folder kept on my machine?",
    "?",
    "C++",
    "C#",
    "How do I exit  Vim?!",
    None,
]


def test_a_precision_gives_the_rows_of_the_threshold_it_chooses(table):
    path = table(QUESTIONS)
    for options in ({}, {"pairs": True}, {"label": 3}, {"against": path}):
        chosen = run(DedupeConfig(table=path, precision=0.5, **options))
        explicit = run(DedupeConfig(table=path, threshold=chosen.threshold, **options))
        assert chosen.table.rows == explicit.table.rows
        # Where no pair reaches the threshold, only texts that are equal after folding are called.
        assert chosen.precision is None or chosen.precision.low >= 0.5


def test_a_precision_has_a_higher_threshold_than_the_default_and_fewer_duplicates(monkeypatch):
    # With the errors of the shipped score no threshold has a lower bound of 0.5 on this table.
    monkeypatch.setattr("dlcli.engines.dedupe.scores.precision_error", lambda config: (-1.5, 1.5))
    default, chosen = run(DedupeConfig()), run(DedupeConfig(precision=0.5))
    assert chosen.threshold > default.threshold
    assert 0 < chosen.rows_near < default.rows_near
    assert chosen.precision_of == "expected in this table"
    assert 0.5 <= chosen.precision.low < chosen.precision.value < chosen.precision.high
    assert chosen.precision.value > chosen.threshold


def test_rows_get_their_group_and_keep_their_order(table):
    result, rows = grouped(table(QUESTIONS), threshold=0.6, keep_rule="first")
    assert [row["id"] for row in rows] == list(range(10))
    assert [row["text"] for row in rows] == QUESTIONS
    assert [row["duplicate_of"] for row in rows] == [None, 1, None, None, 4, None, None, None, 1, None]
    assert [row["canonical"] for row in rows] == [row["duplicate_of"] is None for row in rows]
    assert [row["group_size"] for row in rows] == [3, 3, None, 2, 2, None, 1, 1, 3, None]
    assert [row["score"] for row in rows if row["duplicate_of"] == 1] == [1.0, 1.0]
    assert [row["match"] for row in rows if not row["canonical"]] == ["folded", "lexical", "folded"]
    assert rows[4]["why"] == "my / this; same: cache, folder, kept, machine, +4"
    assert [row["group"] for row in rows if row["text"] in ("", "?", None)] == [None] * 3
    assert rows[0]["group"] == hashlib.sha256(b"how do i exit vim").hexdigest()[:12] == rows[1]["group"] == rows[8]["group"]
    assert (result.rows_read, result.rows_canonical, result.rows_exact, result.rows_near, result.rows_empty) == (10, 4, 2, 1, 3)
    assert (result.groups, result.oversized_groups, result.candidates, result.pairs, result.failed) == (2, 0, 10, 3, "")
    assert result.recall is None  # all pairs of the five texts were scored


def score_in_table(texts: list[str], a: int, b: int) -> float:
    """The probability of two of the distinct texts of a table, all of whose pairs are candidates."""
    first, second = (side.astype(np.int32) for side in np.triu_indices(len(texts), 1))
    pairs = Pairs(first, second, np.zeros(len(first), np.float32))
    found = built_in().score(texts, first, second, count_words(texts))
    told, how = others(pairs, found, len(texts)), built_in().crowding
    corrected = how.corrected(found, told, how.traits(pairs, found, told, len(texts)))
    return float(corrected[(first == a) & (second == b)][0])


def test_the_score_is_that_of_the_built_in_scorer_in_the_table(table):
    _, rows = grouped(table(QUESTIONS), threshold=0.6, keep_rule="first")
    found = score_in_table(["How do I exit Vim?", *QUESTIONS[3:5], *QUESTIONS[6:8]], 1, 2)
    assert rows[4]["score"] == pytest.approx(found, abs=5e-5)


def test_a_pair_below_the_smallest_cosine_is_not_scored(table):
    result, rows = grouped(table(QUESTIONS), threshold=0.1, candidates=0.99)
    assert (result.candidates, rows[4]["canonical"]) == (0, True)


def test_the_largest_groups_come_first_with_the_member_of_the_lowest_score(table):
    texts = [
        "x y z",
        "The cache folder on this machine",
        "X y z",
        "the cache folder on this machine!",
        "The cache folder on my machine",
    ]
    first, second = run(DedupeConfig(table=table(texts), threshold=0.5, keep_rule="first")).largest
    assert (first.size, first.canonical_row, first.canonical_text, first.example_text) == (3, 2, texts[1], texts[4])
    assert 0.5 <= first.example_score < 1
    assert (second.size, second.canonical_row, second.example_text, second.example_score) == (2, 1, "X y z", 1)


def test_the_same_words_in_another_order_are_near_and_not_exact(table):
    result, rows = grouped(table(["a process and a thread", "a thread and a process"]))
    assert (result.rows_exact, result.rows_near) == (0, 1)
    assert sum((row["score"] or 0) < 1 and row["match"] == "lexical" for row in rows) == 1


def test_groups_of_more_rows_than_allowed_are_reported(table):
    path, reporter = table(["Who is it?"] * 3 + ["What is that?"] * 2), RecordingReporter()
    result = run(DedupeConfig(table=path, max_group=2), report=reporter)
    assert result.oversized_groups == 1
    assert reporter.warnings == [
        f"{path}: 1 group has more than 2 rows (`max_group`); the largest: 3 rows with row 1, 'Who is it?'"
    ]
    run(DedupeConfig(table=path, max_group=3), report=(quiet := RecordingReporter()))
    assert not quiet.warnings


def ranked(tmp_path, cells, **options):
    path = tmp_path / "ranked.jsonl"
    path.write_text("".join(json.dumps({"text": text, "votes": votes}) + "\n" for text, votes in cells))
    return [row for row in grouped(str(path), candidates=0.3, threshold=0.3, **options)[1]]


def test_the_row_of_the_highest_value_is_kept(tmp_path):
    cells = [
        ("What is a cache folder?", 2),
        ("what is a cache folder", 9),
        ("What is a cache folder for?", 10),
        ("Other", None),
    ]
    rows = ranked(tmp_path, cells, keep_rule="max:votes")
    assert [row["duplicate_of"] for row in rows] == [3, 3, None, None]
    rows = ranked(tmp_path, cells[:2], keep_rule="max:votes")
    assert [row["duplicate_of"] for row in rows] == [2, None]
    assert [row["duplicate_of"] for row in ranked(tmp_path, cells[:3], keep_rule="longest")] == [3, 3, None]
    assert [row["duplicate_of"] for row in ranked(tmp_path, cells[:3], keep_rule="first")] == [None, 1, 1]


def test_a_column_to_order_by_must_exist_and_be_sortable(tmp_path):
    with pytest.raises(InputError, match="has no column 'vote'") as error:
        ranked(tmp_path, [("a b", 1)], keep_rule="max:vote")
    assert error.value.hint == "did you mean votes?"
    with pytest.raises(InputError, match="row 2, column 'votes': 'many' is not a number"):
        ranked(tmp_path, [("a b", 1), ("c d", "many")], keep_rule="max:votes")


def test_parquet_keeps_its_types_and_gets_typed_columns(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from dlcli.core.parquet import write_parquet

    given = pa.table({"id": pa.array([1, None, 3], pa.int16()), "text": ["Same, here", None, "same here"]})
    parquet.write_table(given, tmp_path / "in.parquet")
    for keep, rows in ((False, [0, 1, 2]), (True, [0, 1])):
        result = run(DedupeConfig(table=str(tmp_path / "in.parquet"), keep=keep))
        write_parquet(result.table, tmp_path / "out.parquet")
        out = parquet.read_table(tmp_path / "out.parquet")
        assert out.select(["id", "text"]) == given.take(rows)
        assert out.column("canonical").to_pylist() == [True, True, False][: len(rows)]
        assert out.column("duplicate_of").to_pylist() == [None, None, 1][: len(rows)]


def test_keep_gives_the_canonical_rows_with_the_same_columns(table):
    path = table(QUESTIONS)
    (_, every), (_, kept) = grouped(path), grouped(path, keep=True)
    assert kept == [row for row in every if row["canonical"]]


def test_pairs_are_those_at_or_above_the_threshold_and_each_further_row_of_a_text(table):
    result, rows = grouped(table(QUESTIONS), threshold=0.6, pairs=True, keep_rule="first")
    assert tuple(result.table.columns) == PAIR_COLUMNS
    assert [(row["row_a"], row["row_b"]) for row in rows] == [(1, 2), (1, 9), (4, 5)]
    assert [row["score"] for row in rows[:2]] == [1.0, 1.0]
    assert 0.6 <= rows[2]["score"] < 1
    assert (rows[2]["text_a"], rows[2]["text_b"]) == (QUESTIONS[3], QUESTIONS[4])
    assert len(rows) == result.pairs


def test_pairs_have_a_probability_and_a_reason(table):
    texts = ["How to learn Python in 2023?", "How to learn Python in 2024?", "how to learn python in 2023"]
    texts += 2 * ["Who invented the telephone?"]
    _, rows = grouped(table(texts), threshold=0, pairs=True)
    found = {(row["row_a"], row["row_b"]): (row["match"], row["score"], row["why"]) for row in rows}
    assert found[4, 5][:2] == ("exact", 1.0) and found[1, 3][:2] == ("folded", 1.0)
    kind, probability, reason = found[1, 2]
    assert kind == "lexical" and reason.startswith("2023 / 2024; same: ")
    assert probability == pytest.approx(score_in_table([*texts[:2], texts[3]], 0, 1), abs=1e-4) and 0 < probability < 0.5


def test_the_cosine_of_a_pair_is_the_dot_product_of_its_vectors(table):
    _, rows = grouped(table(QUESTIONS), threshold=0.6, pairs=True)
    product = tfidf.vectors(list(dict.fromkeys(key for text in QUESTIONS if (key := fold(text or "")))))
    assert rows[2]["cosine"] == pytest.approx((product @ product.T).toarray()[1, 2], abs=5e-5)


def test_a_hundred_thousand_equal_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("question\n" + "What is this?\n" * 100_000)
    result = run(DedupeConfig(table=str(path), pairs=True))
    assert (len(result.table.rows), result.pairs, result.rows_exact, result.rows_canonical) == (99_999, 99_999, 99_999, 1)
    assert result.recall is None
    assert [group.size for group in result.largest] == [100_000]


words = st.lists(st.sampled_from(["how", "do", "i", "exit", "vim", "emacs", "C++", "C#", "3.5", "the", "Café"]), max_size=5)
some_texts = st.lists(words.map(" ".join) | st.text(max_size=8), min_size=1, max_size=12)
rules = st.sampled_from(["central", "first", "longest", "max:id"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_texts, st.floats(0, 1), rules)
def test_invariants(table, texts, threshold, rule):
    result, rows = grouped(table(texts), column="text", threshold=threshold, candidates=0.3, keep_rule=rule)
    assert [row["text"] for row in rows] == texts
    assert result.rows_canonical + result.rows_exact + result.rows_near + result.rows_empty == len(texts) == result.rows_read
    sizes = Counter(row["group"] for row in rows)
    for number, row in enumerate(rows, start=1):
        if not fold(row["text"]):
            assert [row[name] for name in ADDED_COLUMNS] == [None, None, True, None, None, None, None]
            continue
        canonical = rows[(row["duplicate_of"] or number) - 1]
        assert canonical["canonical"] and row["group_size"] == sizes[row["group"]]
        assert canonical["group"] == row["group"] == hashlib.sha256(fold(canonical["text"]).encode()).hexdigest()[:12]
        if not row["canonical"]:
            assert rule != "first" or row["duplicate_of"] < number
            assert row["score"] >= threshold - 1e-4
            assert (fold(row["text"]) != fold(canonical["text"])) or row["score"] == 1
            assert (row["match"] == "exact") == (row["text"] == canonical["text"])
            assert row["why"] == explain(row["text"], canonical["text"])
    assert len({row["group"] for row in rows if row["group"]}) == result.rows_canonical
    keys = [fold(text) for text in texts]
    same = [(a, b) for a, key in enumerate(keys) for b in range(a + 1, len(keys)) if key and key == keys[b]]
    assert all(rows[a]["group"] == rows[b]["group"] for a, b in same)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_texts, st.floats(0, 1), st.sampled_from(["central", "longest", "max:votes"]), st.randoms(use_true_random=False))
def test_shuffled_rows_get_the_same_groups_and_scores(tmp_path, texts, threshold, rule, random):
    cells = [{"text": text, "votes": len(text) % 3} for text in texts]
    found = []
    for order in (range(len(texts)), random.sample(range(len(texts)), len(texts))):
        (tmp_path / "t.jsonl").write_text("".join(json.dumps(cells[k]) + "\n" for k in order))
        _, rows = grouped(str(tmp_path / "t.jsonl"), column="text", threshold=threshold, candidates=0.3, keep_rule=rule)
        ends = [
            (row["score"] if row["match"] in ("lexical", "semantic") else 1, row["group"], row["group_size"]) for row in rows
        ]
        found.append([end for _, end in sorted(zip(order, ends, strict=True), key=lambda one: one[0])])
    assert found[0] == found[1]


def test_cells_of_a_csv_are_not_touched_and_two_runs_give_the_same_bytes(tmp_path):
    given = 'id,question,when\n007,"a, ""b""\nc",1e5\n  x ,NA,\n\u200b,=1+1,1\n'
    (tmp_path / "in.csv").write_text(given, encoding="utf-8")
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    for path in (first, second):
        with path.open("w", encoding="utf-8", newline="") as stream:
            write_csv(run(DedupeConfig(table=str(tmp_path / "in.csv"))).table, stream)
    assert first.read_bytes() == second.read_bytes()
    result = run(DedupeConfig(table=str(first)))
    assert [row[:3] for row in result.table.rows] == [["007", 'a, "b"\nc', "1e5"], ["  x ", "NA", ""], ["\u200b", "=1+1", "1"]]


def test_the_output_of_an_earlier_run_is_computed_again(table, tmp_path):
    again = tmp_path / "again.jsonl"
    first = run(DedupeConfig(table=table(QUESTIONS)))
    with again.open("w") as stream:
        write_jsonl(first.table, stream)
    reporter = RecordingReporter()
    second = run(DedupeConfig(table=str(again)), report=reporter)
    assert (second.table.columns, second.table.rows) == (first.table.columns, first.table.rows)
    assert "earlier run" in reporter.notes[0]
    assert set(reporter.notes) == set(second.notes)


def test_other_columns_of_these_names_are_refused_unless_prefixed(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("group,question\na,What is it?\nb,what is it\n")
    with pytest.raises(InputError, match="has a column 'group', which dedupe adds") as error:
        run(DedupeConfig(table=str(path)))
    assert "`prefix=dedupe_`" in error.value.hint
    result = run(DedupeConfig(table=str(path), prefix="x_"))
    assert result.table.columns == ["group", "question", *(f"x_{name}" for name in ADDED_COLUMNS)]
    assert len(run(DedupeConfig(table=str(path), pairs=True)).table.rows) == 1


LOGS = [f"2026-11-{k:02} 10:00:{k:02} worker-{k} done in {k} s" for k in range(1, 26)]


def test_rows_that_are_equal_once_masked_are_called_so(table):
    rows = [*LOGS[:3], LOGS[0], "Nothing to mask", "nothing to mask!"]
    result = run(DedupeConfig(table=table(rows), column="text", mask=("ids", "numbers", "times")))
    assert (result.rows_exact, result.rows_masked, result.rows_near, result.rows_canonical) == (2, 2, 0, 2)
    found = [(row["duplicate_of"], row["match"]) for row in result.table.records()]
    assert found == [(None, None), (1, "masked"), (1, "masked"), (1, "exact"), (None, None), (5, "folded")]
    assert result.largest[0].canonical_text == LOGS[0]
    pairs = run(DedupeConfig(table=table(rows), column="text", mask=("ids", "numbers", "times"), pairs=True)).table.records()
    assert {(row["row_a"], row["row_b"]): row["match"] for row in pairs}[1, 4] == "exact"


def test_rows_of_another_table_that_are_equal_once_masked_are_called_so(table):
    other = table(LOGS[:2], "other.jsonl")
    options = {"column": "text", "mask": ("ids", "numbers", "times"), "against": other}
    result = run(DedupeConfig(table=table([LOGS[5], "Nothing"]), **options))
    assert (result.rows_exact, result.rows_masked, result.rows_canonical) == (0, 1, 1)


def test_a_hint_names_the_masks_only_where_they_help(table):
    reporter = RecordingReporter()
    result = run(DedupeConfig(table=table(LOGS), column="text"), report=reporter)
    assert (
        reporter.notes
        == list(result.notes)
        == [
            f"{result.source}: 96% of the texts equal another one but for ids, numbers and times; "
            "if these do not matter, as in logs: `mask=ids,numbers,times`"
        ]
    )
    assert run(DedupeConfig(table=table(LOGS), column="text", mask=("ids", "numbers", "times"))).notes == ()
    assert run(DedupeConfig(table="questions", column="question")).notes == ()


def test_null_gives_one_note_with_its_place(table):
    path, reporter = table(["a b c", None, "d e f", None]), RecordingReporter()
    run(DedupeConfig(table=path, column="text"), report=reporter)
    (note,) = reporter.notes
    assert f"{path}: row 2, column 'text': null" in note
    assert "2 in all" in note and not reporter.warnings


def test_a_detected_column_is_reported_and_a_given_one_is_not(table):
    path, reporter = table(["a b c"]), RecordingReporter()
    run(DedupeConfig(table=path), report=reporter)
    assert reporter.notes == [f"comparing column 'text' of {path}; another: `column=NAME`"]
    assert run(DedupeConfig(table=path, column="id")).column == "id"
    assert run(DedupeConfig(table=path, column="id")).notes == ()


def test_a_header_alone_gives_a_header(tmp_path):
    (tmp_path / "t.csv").write_text("id,question\n")
    result = run(DedupeConfig(table=str(tmp_path / "t.csv")))
    assert (result.table.columns, result.table.rows) == (["id", "question", *ADDED_COLUMNS], [])
    assert (result.rows_read, result.groups, result.largest, result.recall) == (0, 0, (), None)


def test_fail_on_duplicates(table):
    assert run(DedupeConfig(table=table(["a b", "A, b!"]), fail_on_duplicates=True)).failed.startswith("1 of the 2 rows of ")
    assert run(DedupeConfig(table=table(["a b", "c d"]), fail_on_duplicates=True)).failed == ""


def test_bad_vectors_are_refused_before_the_table_is_read():
    for call in (run, plan):
        with pytest.raises(UsageError, match="'tfid'") as error:
            call(DedupeConfig(table="/no/such/file", vectors="tfid"))
        assert error.value.hint == "did you mean tfidf?"


def test_the_plan_names_the_column_and_what_would_be_written(table):
    path = table(QUESTIONS)
    read, compare, call, write = plan(DedupeConfig(table=path, prefix="p_"))
    assert read == f"read 10 rows from {path}"
    assert compare == "score pairs of column 'text' that are most alike by tfidf, all pairs of a small table"
    assert f"a probability of {THRESHOLD:g} on" in call and call.endswith("the rule central")
    assert "p_group" in write
    assert write.endswith("to standard output")
    assert plan(DedupeConfig(table=path, pairs=True))[3].startswith("write the pairs")
    assert "with a tfidf cosine of 0.6 or more" in plan(DedupeConfig(table=path, candidates=0.6))[1]
    assert "a precision of 0.9 in this table" in plan(DedupeConfig(table=path, precision=0.9))[2]


def test_the_sample_has_duplicates_of_every_kind_and_not_all_are_found():
    result = run(DedupeConfig())
    rows = {row[1]: row for row in result.table.rows}
    ids = {row[0]: row[1] for row in result.table.rows}
    assert result.source == "questions"
    assert min(result.rows_exact, result.rows_near, result.rows_empty, result.groups) >= 2
    assert len(ids) == result.rows_read

    def group(text):
        return rows[text][2]

    assert group("How do I change the delivery address of my order?") == group(
        "How do I change the delivery adress of my order?"
    )
    assert group("How do I exit Vim?") != group("How do I get out of vi?")  # a paraphrase that shares no rare word
    assert group("What is the best way to learn C++ in 2024?") == group("WHAT IS THE BEST WAY TO LEARN C++ IN 2024?")
    assert group("What is the best way to learn C++ in 2024?") != group("What is the best way to learn C# in 2024?")


def test_vectors_of_a_spacy_folder_find_what_tfidf_misses(table, tmp_path):
    import spacy

    model = spacy.blank("en")
    for word, vector in {"quit": (1, 0.1), "exit": (1, 0), "vim": (0, 1)}.items():
        model.vocab.set_vector(word, np.array(vector, np.float32))
    model.to_disk(tmp_path / "model")
    path = table(["quit vim", "exit vim", "nothing known", "nothing either"])
    assert run(DedupeConfig(table=path, threshold=0, candidates=0.75)).rows_near == 0
    result, rows = grouped(path, threshold=0, candidates=0.75, vectors=f"spacy:{tmp_path / 'model'}")
    assert (result.candidates, [row["group_size"] for row in rows]) == (1, [2, 2, 1, 1])


def test_by_default_no_heavy_package_is_imported():
    code = (
        "import sys; from dlcli.engines.dedupe import run; from dlcli.specs.dedupe import DedupeConfig; run(DedupeConfig());"
        "print({'torch', 'sklearn', 'pandas', 'spacy', 'pyarrow', 'rich', 'typer'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


@pytest.mark.slow
def test_real_questions_lose_no_neighbour(shared_data, tmp_path):
    import csv
    import gzip

    with gzip.open(shared_data("pairs/quora_pairs.csv.gz"), "rt", encoding="utf-8", newline="") as stream:
        questions = {row["qid1"]: row["question1"] for row in csv.DictReader(stream)}
    path = tmp_path / "quora.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("qid", "question"), *list(questions.items())[:30_000]])
    result = run(DedupeConfig(table=str(path)))
    assert result.rows_read == 30_000
    assert result.recall is None  # the search is exact
    assert result.rows_near > 500


def test_masked_texts_are_compared_and_cells_stay_as_they_are(tmp_path):
    lines = [f"2026-11-{day:02} 10:00:{day:02} ERROR job 7349f{day:03} failed after {day} s" for day in range(1, 9)]
    lines += [f"2026-11-{day:02} 10:00:{day:02} INFO backup of db{day:02} has {day} files" for day in range(1, 5)]
    path, other = tmp_path / "log.csv", tmp_path / "other.csv"
    for name, rows in ((path, lines), (other, lines[:1])):
        name.write_text("line\n" + "".join(f"{line}\n" for line in rows))
    mask = ("ids", "numbers", "times")
    result, rows = grouped(str(path), column="line", mask=mask)
    assert [row["line"] for row in rows] == lines
    assert sorted(Counter(row["group"] for row in rows).values()) == [4, 8]
    assert grouped(str(path), column="line")[0].groups != 2
    marked = grouped(str(path), column="line", mask=mask, against=str(other))[1]
    assert [bool(row["duplicate_in"] == str(other)) for row in marked] == 8 * [True] + 4 * [False]
    run(DedupeConfig(table=str(path), column="line", mask=mask, index=tmp_path / "i"))
    with pytest.raises(InputError, match="mask"):
        run(DedupeConfig(table=str(path), column="line", index=tmp_path / "i"))
    with pytest.raises(ValueError, match="'words' is not one of ids, numbers, times, urls"):
        parse_masks("ids,words")


def test_against_an_unrelated_table_the_same_duplicates_are_found(table, tmp_path):
    """Those of a small table are sought among all pairs, with another table or without one."""
    texts = [row[1] for row in run(DedupeConfig(table="questions")).table.rows]
    path, other = table(texts), table(["zebras in the mist", "a lorry full of gravel"], "other.jsonl")
    alone, beside = (run(DedupeConfig(table=path, **more)) for more in ({}, {"against": other}))
    assert beside.candidates_from == alone.candidates_from == 0
    assert beside.candidates >= alone.candidates
    assert abs(beside.rows_near - alone.rows_near) <= 2 and alone.rows_near > 30


def test_no_pair_of_two_tables_is_raised_since_rows_of_the_other_one_are_not_compared():
    """In a table of clear duplicates, a doubtful pair that is alone is raised, but for a pair with a text of another table."""
    clear = 40
    first = 2 * np.arange(2 + clear)
    scored = ScoredPairs(Pairs(first, first + 1, np.zeros(2 + clear, np.float32)), np.array([0.2, 0.2, *[0.95] * clear]))
    texts = 2 * (2 + clear)
    earlier = np.arange(texts) == 3
    alone, beside = (corrected(DedupeConfig(), scored, np.ones(texts, int), part).probability for part in (None, earlier))
    assert alone[0] == alone[1] == beside[0] > beside[1]
    assert beside[2:].tolist() == alone[2:].tolist()


def common_to_lists(table):
    """Texts of the sample, and some that another list may have too: a few of doubtful duplicates, and others without any."""
    texts = sorted({fold(row[1]) for row in run(DedupeConfig(table="questions")).table.rows})
    rows = run(DedupeConfig(table=table(texts), pairs=True, threshold=0.1)).table.rows
    alike = [row[-2] for row in rows if 0.4 < float(row[2]) < 0.8][:4]
    return texts, [*alike, *[text for text in texts if not any(text in row[-2:] for row in rows)][:20]], alike


def test_where_two_lists_are_joined_a_text_with_a_copy_is_less_likely_the_duplicate_of_another_one(table):
    def scores(rows):
        found = run(DedupeConfig(table=table(rows), pairs=True, threshold=0.1)).table.rows
        return {tuple(row[-2:]): float(row[2]) for row in found if float(row[2]) < 1}

    texts, common, alike = common_to_lists(table)
    once, twice = scores(texts), scores([*texts, *common])
    assert all(twice.get(pair, 0.0) < p - 0.02 for pair, p in once.items() if {*pair} & {*alike})
    assert all(twice.get(pair, 0.0) <= p for pair, p in once.items())


def test_against_another_table_its_texts_that_the_table_has_too_have_fewer_duplicates(table):
    def near(rows, old):
        found = grouped(table(rows), against=old)[1]
        return {row["text"]: float(row["score"]) for row in found if row["duplicate_in"] == old and float(row["score"]) < 1}

    texts, common, _ = common_to_lists(table)
    old = table(common, "old.jsonl")
    once, twice = near([text for text in texts if text not in common], old), near(texts, old)
    assert len(twice) < len(once)
    assert all(twice[text] < once[text] for text in twice)
