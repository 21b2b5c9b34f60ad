"""Several text columns, and the option `within`: rows of different cells are never duplicates, whatever else is asked for."""

import csv
import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.core.text.tokens import fold
from dlcli.engines.dedupe.engine import plan, run
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.errors import InputError, UsageError
from tests.recording import RecordingReporter

HEADER = ("id", "title", "body", "customer", "language")
ASKED = (
    "How do I exit Vim?",
    "how do I exit vim",
    "How can I exit Vim?",
    "Where is the cache folder?",
    "Where is my cache folder",
)


@pytest.fixture
def table(tmp_path):
    def write(rows, name="t.csv", header=HEADER):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(header)
            writer.writerows(rows)
        return str(tmp_path / name)

    return write


def records(config):
    result = run(config)
    return result, [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]


def made(count, seed, customers=4):
    rng = random.Random(seed)
    cells = ["a", "b", "A", " a ", ""][: customers + 1]
    return [[k, rng.choice(ASKED), "", rng.choice(cells), rng.choice(("en", "de"))] for k in range(count)]


def partition(rows, *, only=lambda row: True):
    groups = {}
    for k, row in enumerate(rows):
        if row["group"] and only(row):
            groups.setdefault(row["group"], []).append(k)
    return sorted(map(tuple, groups.values()))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), within=st.sampled_from(["customer", "customer,language", "4"]))
def test_no_group_and_no_pair_joins_rows_of_different_cells(table, seed, within):
    path = table(made(25, seed))
    options = {"table": path, "column": "title", "within": within, "threshold": 0.3}
    names = ("customer", "language") if "," in within else ("customer",)
    result, rows = records(DedupeConfig(**options))
    cells = [tuple(row[name].strip() for name in names) for row in rows]
    for group in partition(rows):
        assert len({cells[k] for k in group}) == 1 and all(cells[group[0]])
    # Rows that are blank there are in no group; equal texts of one block are always in one.
    assert [row["group"] is None for row in rows] == [not all(cell) for cell in cells]
    for a, b in itertools.combinations(range(len(rows)), 2):
        if all(cells[a]) and cells[a] == cells[b] and fold(rows[a]["title"]) == fold(rows[b]["title"]):
            assert rows[a]["group"] == rows[b]["group"]
    for pair in run(DedupeConfig(**options, pairs=True)).table.rows:
        assert cells[pair[0] - 1] == cells[pair[1] - 1]
    kept = records(DedupeConfig(**options, keep=True))[1]
    assert [row["id"] for row in kept] == [row["id"] for row in rows if row["canonical"]]
    assert result.rows_canonical + result.rows_exact + result.rows_near + result.rows_empty == result.rows_read


@pytest.mark.parametrize("rule", ["central", "first", "longest", "max:id"])
def test_a_column_with_one_value_changes_nothing_but_ids(table, rule):
    rows = [[*row[:3], "same", row[4]] for row in made(30, 7)]
    options = {"table": table(rows), "column": "title", "keep_rule": rule}
    plain, blocked = records(DedupeConfig(**options))[1], records(DedupeConfig(**options, within="customer"))[1]
    assert [{**row, "group": None} for row in plain] == [{**row, "group": None} for row in blocked]
    assert partition(plain) == partition(blocked)


def test_the_order_of_rows_changes_no_group(table):
    rows = made(40, 3)
    shuffled = random.Random(1).sample(rows, len(rows))
    options = {"column": "title", "within": "customer"}
    one = {row["id"]: row["group"] for row in records(DedupeConfig(table=table(rows), **options))[1]}
    other = {row["id"]: row["group"] for row in records(DedupeConfig(table=table(shuffled, "s.csv"), **options))[1]}
    assert one == other and len(set(one.values())) > 4


def test_equal_texts_of_two_blocks_have_groups_with_ids_of_their_own(table):
    rows = [[1, "Hello there", "", "a", "en"], [2, "hello there", "", "b", "en"], [3, "Hello there!", "", "a", "en"]]
    found = records(DedupeConfig(table=table(rows), column="title", within="customer"))[1]
    assert found[0]["group"] == found[2]["group"] != found[1]["group"]
    assert [row["group_size"] for row in found] == [2, 1, 2]


def test_blank_cells_draw_a_warning_and_are_counted(table):
    report = RecordingReporter()
    rows = [[1, "Hello there", "", "", "en"], [2, "hello there", "", " ", "en"], [3, "Hello there!", "", "a", "en"]]
    result = run(DedupeConfig(table=table(rows), column="title", within="customer"), report=report)
    assert result.rows_empty == 2 and result.rows_canonical == 1
    assert report.warnings == [
        f"{table(rows)}: row 1, column 'customer': blank; rows like this are compared with none, in no group (2 in all)"
    ]


@pytest.mark.parametrize("earlier", ["against", "index"])
def test_rows_of_another_table_are_duplicates_within_a_block_alone(table, tmp_path, earlier):
    old = table([[1, "How do I exit Vim?", "", "a", "en"], [2, "How do I exit Vim?", "", "", "en"]], "old.csv")
    rows = [[k, "how do I exit vim", "", customer, "en"] for k, customer in enumerate(("b", "a", ""))]
    new = table(rows, "new.csv")
    options = {"column": "title", "within": "customer"}
    if earlier == "index":
        run(DedupeConfig(table=old, index=tmp_path / "i", **options))
        found = records(DedupeConfig(table=new, index=tmp_path / "i", **options))[1]
        with pytest.raises(InputError, match="made with within customer, not none"):
            run(DedupeConfig(table=new, index=tmp_path / "i", column="title"))
    else:
        found = records(DedupeConfig(table=new, against=old, **options))[1]
    assert [row["duplicate_of"] for row in found] == [None, 1, None]
    assert [row["duplicate_in"] for row in found] == [None, old, None]


def test_the_review_page_and_pairs_to_label_stay_within_blocks(table, tmp_path):
    rows = [[k, text, "", customer, "en"] for k, (text, customer) in enumerate(itertools.product(ASKED, "ab"))]
    options = {"table": table(rows), "column": "title", "within": "customer"}
    one = run(DedupeConfig(table=table(rows[::2], "one.csv"), column="title", within="customer", label=99, threshold=0.4))
    two = run(DedupeConfig(**options, label=99, threshold=0.4, review=tmp_path / "r.html"))
    assert len(two.table.rows) == 2 * len(one.table.rows) > 0


def test_a_precision_is_reached_by_pairs_within_blocks(table):
    rows = [[k, text, "", f"c{c}", "en"] for c in range(9) for k, text in enumerate(ASKED)]
    result = run(DedupeConfig(table=table(rows), column="title", within="customer", precision=0.5))
    assert result.precision.value >= 0.5 and result.groups >= 9


def test_cells_of_several_columns_make_one_text(table):
    rows = [
        [1, "Crash on start", "It says error 7.", "a", "en"],
        [2, "crash on start", "it says: error 7", "a", "en"],
        [3, "Crash on start", "", "a", "en"],
        [4, "Crash on start", "Printing is slow on the new machine.", "a", "en"],
        [5, "", "", "a", "en"],
    ]
    result, found = records(DedupeConfig(table=table(rows), column="title,body", threshold=0.6))
    assert result.column == "title,body" and result.rows_empty == 1 and result.rows_exact == 1
    assert found[0]["group"] == found[1]["group"]
    assert found[3]["group"] not in (found[0]["group"], None)
    (pair,) = [row for row in run(DedupeConfig(table=table(rows), column="title, body", pairs=True)).table.rows if row[2] == 1]
    assert pair[6:] == ["Crash on start, It says error 7.", "crash on start, it says: error 7"]
    assert "score pairs of column 'title,body' that" in plan(DedupeConfig(table=table(rows), column="title,body"))[1]


@pytest.mark.parametrize(
    ("column", "expected"),
    [("last, first", ["x, y"]), ('"last, first",note', ["x, y, z"]), ("2,note", ["x, y, z"]), ("note,2", ["z, x, y"])],
)
def test_names_with_commas_are_reached(table, column, expected):
    path = table([["9", "x, y", "z"], ["8", "x, y", "z"]], header=("id", "last, first", "note"))
    assert run(DedupeConfig(table=path, column=column, pairs=True)).table.rows[0][6:] == 2 * expected


def test_an_index_of_several_columns_takes_them_again(table, tmp_path):
    header = ("id", "last, first", "note")
    path = table([["1", "Doe, Jane", "called twice about the printer"]], header=header)
    options = {"table": path, "index": tmp_path / "i"}
    assert run(DedupeConfig(**options, column='"last, first",note')).column == '"last, first",note'
    assert run(DedupeConfig(**options)).column == '"last, first",note'
    with pytest.raises(InputError, match='made with column "last, first",note'):
        run(DedupeConfig(**options, column="note"))


def test_wrong_names_are_refused(table, tmp_path):
    path = table(made(4, 1))
    with pytest.raises(InputError, match="has no column 'bdy'") as caught:
        run(DedupeConfig(table=path, column="title,bdy"))
    assert "body" in caught.value.hint
    with pytest.raises(InputError, match="names column 'title' twice"):
        run(DedupeConfig(table=path, column="title,2"))
    with pytest.raises(InputError, match="has no column 'tenant'"):
        run(DedupeConfig(table=path, column="title", within="tenant"))
    other = table([[1, "How do I exit Vim?"]], "other.csv", header=("id", "title"))
    with pytest.raises(InputError, match=r"other\.csv: has no column 'customer'"):
        run(DedupeConfig(table=path, column="title", within="customer", against=other))
    with pytest.raises(UsageError, match="`within` does not apply to `pair_columns`"):
        DedupeConfig(table=path, pair_columns=("title", "body"), within="customer")


def test_many_rows_with_one_text_in_many_blocks_are_not_compared_with_each_other(table):
    """As pairs of all rows these would be 18 million, and beyond what is allowed with a few more rows."""
    rows = [[k, text, "", f"c{k // 2}", "en"] for k, text in enumerate(["Thank you very much", "Thanks very much"] * 3000)]
    result = run(DedupeConfig(table=table(rows), column="title", within="customer"))
    assert result.candidates == 3000
