"""`dlcli dedupe --pair-columns`: the score of a row depends on its own two texts only."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.core.pairs.labelled import split_by_question
from dlcli.core.pairs.saved import save_scorer
from dlcli.core.pairs.scorers.lexical import Lexical
from dlcli.core.text.scoring.explanation import explain
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.tokens import fold
from dlcli.engines.dedupe import pair_columns as _dedupe_verdicts
from dlcli.engines.dedupe.engine import plan, run
from dlcli.specs.dedupe import PAIR_VERDICT_COLUMNS, DedupeConfig
from dlcli.support.errors import InputError, UsageError
from tests.core.pairs.synthetic_pairs import synthetic_pairs

PAIRS = [
    ("How do I learn chess?", "how can i learn chess"),
    ("How do I exit Vim?", "how do i  EXIT vim"),
    ("Why is the sky blue?", ""),
    (None, "Why is the sky blue?"),
    ("?", "!"),
    ("What is the population of India?", "What is the population of China?"),
    ("How do I learn chess?", "How do banks make money?"),
]


def write(path: Path, pairs, names=("left", "right")) -> str:
    rows = [{"id": k, names[0]: a, names[1]: b, "note": [k]} for k, (a, b) in enumerate(pairs)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def classified(table: str, **options):
    result = run(DedupeConfig(table=table, pair_columns=("left", "right"), **options))
    return result, list(result.table.records())


def alone(scorer, a: str, b: str) -> float:
    return float(scorer.score([a, b], np.array([0]), np.array([1]))[0])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(*2 * [st.sampled_from([text for pair in PAIRS for text in pair]) | st.text(max_size=20)]), min_size=1)
)
def test_every_row_is_scored_as_if_it_were_alone_and_keeps_its_cells(tmp_path: Path, pairs):
    result, rows = classified(write(tmp_path / "t.jsonl", pairs), threshold=0.5)
    assert result.table.columns == ["id", "left", "right", "note", *PAIR_VERDICT_COLUMNS]
    for k, ((a, b), row) in enumerate(zip(pairs, rows, strict=True)):
        assert (row["id"], row["left"], row["right"], row["note"]) == (k, a, b, [k])
        if not fold(a or "") or not fold(b or ""):
            assert [row[name] for name in PAIR_VERDICT_COLUMNS] == [None, None, None]
            continue
        p = alone(built_in(), a, b)
        assert row["score"] == pytest.approx(p, abs=1e-4) and row["why"] == explain(a, b)
        assert row["verdict"] == ("duplicate" if p >= 0.5 else "different") or abs(p - 0.5) < 1e-5
    verdicts = [row["verdict"] for row in rows]
    counts = (result.rows_duplicate, result.rows_different, result.rows_empty)
    assert counts == tuple(map(verdicts.count, ("duplicate", "different", None))) and sum(counts) == result.rows_read


def test_neither_the_size_of_blocks_nor_the_order_of_columns_changes_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = write(tmp_path / "t.jsonl", 3 * PAIRS)
    result, rows = classified(table)
    monkeypatch.setattr(_dedupe_verdicts, "_BLOCK", 2)
    assert classified(table)[1] == rows
    other = run(DedupeConfig(table=table, pair_columns=("right", "left")))
    assert [row["score"] for row in other.table.records()] == [row["score"] for row in rows]
    assert [(pair.row, pair.score) for pair in result.most_probable] == [
        (k + 1, row["score"]) for k, row in enumerate(rows) if row["verdict"] == "duplicate" and row["score"] < 1
    ]


def test_a_pair_gets_the_score_that_it_has_in_an_index(tmp_path: Path):
    """Neither knows a table: the score is that of the two texts alone."""
    texts = [("How do I learn chess well?", "How can I learn to play chess well?")]
    (pair,) = classified(write(tmp_path / "t.jsonl", texts))[1]
    assert pair["score"] > 0.3
    for k, text in enumerate(texts[0]):
        (tmp_path / f"{k}.csv").write_text(f"question\n{text}\n")
        options = {"index": tmp_path / "i", "threshold": 0.3, "candidates": 0.3}
        (row,) = run(DedupeConfig(table=str(tmp_path / f"{k}.csv"), **options)).table.records()
    assert (row["score"], row["why"]) == (pair["score"], explain(*reversed(texts[0])))


def test_a_learned_scorer_has_its_own_threshold(tmp_path: Path):
    train, dev, test = split_by_question(synthetic_pairs(400), 0)
    scorer = Lexical(learner="trees", trees=20).fit(train, dev, 0)
    save_scorer(tmp_path / "run", scorer, {"operating": [[0.3, 900, 800, 900.0], [0.4, 800, 790, 800.0]]})
    pairs = [(test.texts[a], test.texts[b]) for a, b in zip(test.first, test.second, strict=True)]
    result, rows = classified(write(tmp_path / "t.jsonl", pairs), model=tmp_path / "run", precision=0.9)
    assert result.threshold == 0.4 and result.precision.n == 800 and result.model == str(tmp_path / "run")
    for (a, b), row in zip(pairs, rows, strict=True):
        assert row["score"] == pytest.approx(alone(scorer, a, b), abs=1e-4)
    assert {row["verdict"] for row in rows} == {"duplicate", "different"}


def test_fail_on_duplicates(tmp_path: Path):
    table = write(tmp_path / "t.jsonl", PAIRS)
    assert not classified(table)[0].failed
    result, rows = classified(table, fail_on_duplicates=True)
    assert result.failed == f"{sum(row['verdict'] == 'duplicate' for row in rows)} duplicates in {table}"
    assert not classified(write(tmp_path / "none.jsonl", PAIRS[2:5]), fail_on_duplicates=True)[0].failed


def test_columns_of_an_earlier_run_are_computed_again_and_others_of_their_names_refused(tmp_path: Path):
    table = write(tmp_path / "t.jsonl", PAIRS)
    result, rows = classified(table)
    again = tmp_path / "again.jsonl"
    again.write_text("".join(json.dumps({**row, "score": 9}) + "\n" for row in rows))
    assert classified(str(again))[1] == rows and "computed again" in classified(str(again))[0].notes[0]
    clash = tmp_path / "clash.jsonl"
    clash.write_text('{"left": "a", "why": 1, "right": "b"}\n')
    with pytest.raises(InputError, match="has a column 'why', which dedupe adds"):
        classified(str(clash))
    assert classified(str(clash), prefix="x_")[0].table.columns[3:] == ["x_score", "x_verdict", "x_why"]
    with pytest.raises(InputError, match="has no column 'centre'"):
        run(DedupeConfig(table=table, pair_columns=("left", "centre")))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"pairs": True}, "pairs"),
        ({"column": "left"}, "column"),
        ({"index": Path("kept")}, "index"),
        ({"keep_rule": "first"}, "keep_rule"),
        ({"review": Path("page.html")}, "review"),
    ],
)
def test_options_for_rows_do_not_apply_to_pairs(options, field: str):
    with pytest.raises(UsageError, match=f"`{field}` does not apply to `pair_columns`"):
        DedupeConfig(pair_columns=("a", "b"), **options)


def test_a_column_is_not_compared_with_itself(tmp_path: Path):
    table = write(tmp_path / "t.jsonl", PAIRS)
    for names in (("left", "LEFT"), ("2", "left")):
        for begin in (run, plan):
            with pytest.raises(InputError, match="names column 'left' twice"):
                begin(DedupeConfig(table=table, pair_columns=names))


def test_the_plan_reads_the_table_and_describes_the_output(tmp_path: Path):
    table = write(tmp_path / "t.jsonl", PAIRS)
    lines = plan(DedupeConfig(table=table, pair_columns=("left", "right"), precision=0.6))
    assert lines[0] == f"read 7 rows from {table}" and "score, verdict, why" in lines[-1]
    assert "(precision 0.6" in lines[2]
