"""Reading labelled pairs, and splitting them so that no question is on two sides."""

import gzip
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.pairs.labelled import (
    MIN_PAIRS,
    LabelledPairs,
    find_pair_columns,
    make_labelled_pairs,
    read_labelled_pairs,
    shares_no_text,
    split_by_question,
)
from dlcli.core.text.tokens import fold, fold_all
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.option import declared
from dlcli.specs.table_options import FIELDS
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError
from dlcli.support.table_format import TableFormat
from dlcli.support.tables import Table
from tests.core.pairs.synthetic_pairs import synthetic_pairs


def write(path: Path, rows: list[str], head: str = "question1,question2,is_duplicate") -> str:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return str(path)


GOOD = [f"what is {k}?,who is {k}?,{k % 2}" for k in range(MIN_PAIRS)]


def test_a_table_is_read_as_it_stands(tmp_path: Path):
    pairs = read_labelled_pairs(write(tmp_path / "p.csv", GOOD))
    assert [pairs.texts[k] for k in pairs.first] == [f"what is {k}?" for k in range(MIN_PAIRS)]
    assert [pairs.texts[k] for k in pairs.second] == [f"who is {k}?" for k in range(MIN_PAIRS)]
    assert pairs.duplicate.tolist() == [bool(k % 2) for k in range(MIN_PAIRS)]


@pytest.mark.parametrize(
    ("label", "duplicate"),
    [
        *((word, True) for word in ("1.0", "TRUE", " 1 ", "yes", "Y", "t", "Duplicate")),
        *((word, False) for word in ("0.0", "False", "0 ", "no", "N", "F", "different")),
    ],
)
def test_labels_as_people_and_spreadsheets_write_them(tmp_path: Path, label: str, duplicate: bool):
    pairs = read_labelled_pairs(write(tmp_path / "p.csv", [*GOOD, f"a,b,{label}"]))
    assert bool(pairs.duplicate[-1]) is duplicate and pairs.notes == ()


def test_rows_without_a_label_or_a_text_are_skipped_and_counted(tmp_path: Path):
    rows = ["a,b,", "c,,1", *GOOD, "   ,d,0", "e,f,n/a", ",,"]
    pairs = read_labelled_pairs(path := write(tmp_path / "p.csv", rows))
    assert len(pairs) == MIN_PAIRS and pairs.row.tolist() == list(range(3, MIN_PAIRS + 3))
    assert pairs.notes == (f"{path}: skipped 3 rows without a label", f"{path}: skipped 2 rows without a text")
    assert pairs.take(np.array([4, 1])).row.tolist() == [7, 4] and pairs.take(np.array([4, 1])).notes == pairs.notes
    with pytest.raises(InputError, match=r"19 labelled pairs are too few \(skipped 1 row without a label\)"):
        read_labelled_pairs(write(tmp_path / "p.csv", [*GOOD[1:], "a,b,"]))


def test_pairs_with_both_labels_are_counted_and_named(tmp_path: Path):
    rows = [*GOOD, "x,,1", "Who is 1?,what is 1,0", "a,b,1", "a,b,1", "c,c,0", "B!,a,0"]
    (blank, note) = read_labelled_pairs(path := write(tmp_path / "p.csv", rows)).notes
    assert blank == f"{path}: skipped 1 row without a text"
    assert note == f"{path}: 2 pairs of texts have both labels, as in rows {note.partition('rows ')[2]}"
    assert any(named in note for named in ("rows 2 and 22: 'what is 1?'", "rows 23 and 26: 'a'"))


def test_tables_are_read_as_the_format_says(tmp_path: Path):
    lines = ["Report", *(f"{k}%was ist {k}?%wer f\u00fcr {k}?%{k % 2}" for k in range(MIN_PAIRS)), "7%zu%wenig"]
    (tmp_path / "p.txt").write_text("\n".join(lines), encoding="cp1252")
    form = TableFormat(skip=1, no_header=True, encoding="cp1252", delimiter="%", skip_bad=True)
    pairs = read_labelled_pairs(str(tmp_path / "p.txt"), ("2", "3", "4"), form, bad_rows=tmp_path / "bad.csv")
    assert len(pairs) == MIN_PAIRS and "wer f\u00fcr 3?" in pairs.texts
    assert pairs.notes == (f"{tmp_path / 'p.txt'}: skipped 1 row, the first in line 22",)
    assert (
        (tmp_path / "bad.csv")
        .read_text()
        .splitlines()[1]
        .endswith("p.txt,22,3 cells where the header has 4 columns: no cell for column '4',7%zu%wenig")
    )


def test_gzip_and_jsonl(tmp_path: Path):
    plain = read_labelled_pairs(write(tmp_path / "p.csv", GOOD))
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress((tmp_path / "p.csv").read_bytes()))
    lines = [f'{{"text_a": "what is {k}?", "text_b": "who is {k}?", "label": {k % 2}}}' for k in range(MIN_PAIRS)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    for name in ("p.csv.gz", "p.jsonl"):
        again = read_labelled_pairs(str(tmp_path / name))
        assert again.texts == plain.texts
        np.testing.assert_array_equal(again.duplicate, plain.duplicate)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*GOOD, "a,b,2"], f"row {MIN_PAIRS + 1}, column 'is_duplicate': '2' is not a label"),
        ([*GOOD, "a,b,-1"], f"row {MIN_PAIRS + 1}, column 'is_duplicate': '-1' is not a label"),
        ([*GOOD, "a,b,0.9"], f"row {MIN_PAIRS + 1}, column 'is_duplicate': '0.9' is not a label"),
        (GOOD[:5], "5 labelled pairs are too few"),
        ([], "0 labelled pairs are too few"),
        ([row[:-1] + "0" for row in GOOD], "column 'is_duplicate': none of the pairs is a duplicate"),
        ([row[:-1] + "1" for row in GOOD], "column 'is_duplicate': all pairs are duplicates"),
    ],
)
def test_unusable_pairs_give_a_one_line_error(tmp_path: Path, rows: list[str], message: str):
    with pytest.raises(InputError) as error:
        read_labelled_pairs(write(tmp_path / "p.csv", rows))
    assert message in error.value.message and "p.csv" in error.value.message and error.value.hint
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    "head",
    ["question1,question2,is_duplicate", "Text_A , text_b,LABEL", "sentence1,sentence2,label", "a,b,duplicate"],
)
def test_columns_are_found_by_name(head: str):
    assert find_pair_columns(Table(head.split(","), [])) == (0, 1, 2)


def test_columns_may_be_named():
    table = Table(["id", "left", "right", "same"], [])
    assert find_pair_columns(table, ("right", "left", "same")) == (2, 1, 3)
    with pytest.raises(InputError, match="cannot find two text columns among 'id', 'left', 'right', 'same'"):
        find_pair_columns(table)
    assert find_pair_columns(table, ("3", "LEFT", "same")) == (2, 1, 3)
    with pytest.raises(InputError, match="has no column 'rigth'"):
        find_pair_columns(table, ("rigth", "left", "same"))
    with pytest.raises(InputError, match="2 columns are called 'a'"):
        find_pair_columns(Table(["a", "a", "label"], []), ("a", "a", "label"))
    with pytest.raises(InputError, match="name a column twice"):
        find_pair_columns(table, ("left", "2", "same"))
    with pytest.raises(InputError, match="cannot find a label column"):
        find_pair_columns(Table(["a", "b"], []))


@pytest.mark.parametrize("config", [TrainConfig, EvalConfig, DedupeConfig])
def test_options_that_hints_of_the_reader_name_are_options_of_every_command(config: type):
    assert set(FIELDS) <= {item.name for item, _ in declared(config)}


QUESTIONS = st.sampled_from([f"q{k}" for k in range(12)] + [f"Q{k}?" for k in range(12)])


@given(st.lists(st.tuples(QUESTIONS, QUESTIONS), min_size=1, max_size=30))
def test_components_are_those_of_the_graph_of_folded_texts(pairs: list[tuple[str, str]]):
    found = make_labelled_pairs(pairs, [True] * len(pairs))
    graph = nx.Graph([(fold(a), fold(b)) for a, b in pairs])
    number = {key: k for k, keys in enumerate(nx.connected_components(graph)) for key in keys}
    theirs, ours = [number[fold(a)] for a, _ in pairs], found.component.tolist()
    assert len(set(zip(theirs, ours, strict=True))) == len(set(theirs)) == len(set(ours))


def rows_of(pairs: LabelledPairs) -> list[tuple[str, str, bool]]:
    rows = zip(pairs.first, pairs.second, pairs.duplicate, strict=True)
    return [(pairs.texts[a], pairs.texts[b], bool(y)) for a, b, y in rows]


@given(st.integers(0, 50))
def test_parts_share_no_question_and_lose_no_pair(seed: int):
    pairs = synthetic_pairs(300)
    parts = split_by_question(pairs, seed)
    keys = [set(fold_all(part.texts)) for part in parts]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    assert sorted(row for part in parts for row in rows_of(part)) == sorted(rows_of(pairs))
    assert all(np.array_equal(a.duplicate, b.duplicate) for a, b in zip(parts, split_by_question(pairs, seed), strict=True))


def test_one_chain_of_questions_is_not_split():
    chain = make_labelled_pairs([(f"q {k}", f"q {k + 1}") for k in range(100)], [k % 2 == 0 for k in range(100)])
    with pytest.raises(InputError, match="to 1 group,"):
        split_by_question(chain, 0)


def test_apart_is_by_folded_text():
    pairs = make_labelled_pairs([("a b", "c"), ("d", "e")], [True, False])
    others = make_labelled_pairs([("A, b!", "x")], [True])
    assert shares_no_text(pairs, others).tolist() == [False, True]
