"""Table by table through an index: the groups of all at once, ids that stay, and a rerun that changes nothing."""

import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.core.text.index_dir import FILE, read_index
from dlcli.core.text.tokens import fold, ngrams
from dlcli.engines.dedupe import index as _dedupe_index
from dlcli.engines.dedupe.engine import plan, run
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.errors import InputError, LockedError, UsageError
from dlcli.support.lock import locked


@pytest.fixture
def table(tmp_path):
    def write(texts, name="t.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        return str(path)

    return write


def rows_of(path, **options):
    result = run(DedupeConfig(table=path, column="text", **options))
    return [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]


OLD = ["How do I exit Vim?", "Where is the cache folder kept on this machine?", "What is C++?", "how do i exit VIM"]
NEW = ["What is Rust?", "how do i exit vim!", "Where is the cache folder kept on my machine?", "what is rust", ""]


def test_rows_are_compared_with_the_table_before(table, tmp_path):
    first = rows_of(table(OLD, "old.jsonl"), index=tmp_path / "i", threshold=0.6)
    second = rows_of(table(NEW, "new.jsonl"), index=tmp_path / "i", threshold=0.6)
    assert [row["duplicate_in"] for row in first] == [None, None, None, str(tmp_path / "old.jsonl")]
    assert [row["duplicate_of"] for row in second] == [None, 1, 2, 1, None]
    assert [row["duplicate_in"] and Path(row["duplicate_in"]).name for row in second] == [
        *(None, "old.jsonl", "old.jsonl", "new.jsonl", None)
    ]
    assert [row["group_size"] for row in second] == [2, 3, 2, 2, None]
    assert second[1]["group"] == first[0]["group"] and second[2]["group"] == first[1]["group"]


def test_recall_is_measured_of_new_texts_unless_each_is_compared_with_all(table, tmp_path):
    old, new = table(OLD, "old.jsonl"), table(NEW, "new.jsonl")
    options = {"column": "text", "threshold": 0.6, "candidates": 0.6}
    for earlier in ({"against": old}, {"index": tmp_path / "i"}):
        first = run(DedupeConfig(table=old, **options, **earlier))
        second = run(DedupeConfig(table=new, **options, **earlier))
        assert first.recall is None and second.recall is None  # the search is exact
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlcli.engines.dedupe.against.finds_all", lambda vectors, block, device: False)
        # Of the texts of the second table one is beside one of the first: a pair of a single row tells of no other.
        found = run(DedupeConfig(table=new, against=old, **options)).recall
        assert (found.value, found.low, found.high, found.n) == (1, 0, 1, 1)
        patch.setattr("dlcli.core.text.search.cross_join._MANY", 0.9)
        assert run(DedupeConfig(table=new, against=old, **options)).recall is None


def test_against_marks_what_the_other_table_has_and_prints_no_row_of_it(table, tmp_path):
    found = rows_of(table(NEW, "new.jsonl"), against=table(OLD, "old.jsonl"), threshold=0.6)
    assert [row["text"] for row in found] == NEW
    assert [row["duplicate_of"] for row in found] == [None, 1, 2, 1, None]
    assert [row["duplicate_in"] for row in found] == [
        *(None, str(tmp_path / "old.jsonl"), str(tmp_path / "old.jsonl"), str(tmp_path / "new.jsonl"), None)
    ]
    assert [row["group_size"] for row in found] == [2, 3, 2, 2, None]


def test_no_row_that_the_other_table_has_is_kept(table):
    kept = rows_of(table(NEW, "new.jsonl"), against=table(OLD, "old.jsonl"), threshold=0.6, keep=True)
    assert [row["text"] for row in kept] == ["What is Rust?", ""]


def test_the_same_table_again_gives_the_same_rows_and_leaves_the_index(table, tmp_path):
    path, folder = table(OLD + NEW), tmp_path / "i"
    first = rows_of(path, index=folder, threshold=0.6)
    whole = (folder / FILE).read_bytes()
    assert rows_of(path, index=folder, threshold=0.6) == first
    assert (folder / FILE).read_bytes() == whole


def hashed(spec, keys, device):
    """Vectors that do not depend on other texts: counts of trigrams by hash."""
    synthetic_pairs = np.zeros((len(keys), 64), np.float32)
    for row, key in zip(synthetic_pairs, keys, strict=True):
        for gram in ngrams(key, 3, 3):
            row[zlib.crc32(gram.encode()) % 64] += 1
        row /= np.linalg.norm(row)
    return synthetic_pairs


WORDS = st.sampled_from("how do i exit vim Vim the cache folder on my this machine 3 4 not".split())
TEXTS = st.lists(st.lists(WORDS, max_size=5).map(" ".join), min_size=1, max_size=12)


def partition(named):
    """Sets of what has one name."""
    groups = {}
    for name, thing in named:
        groups.setdefault(name, set()).add(thing)
    return {frozenset(group) for group in groups.values()}


@pytest.mark.parametrize("rule", ["central", "first", "longest"])
@pytest.mark.parametrize("how", ["text", "table"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=st.lists(TEXTS, min_size=1, max_size=4))
def test_table_by_table_gives_the_groups_of_all_at_once(table, tmp_path_factory, rule, how, tables):
    """Exactly, where a vector depends on its text alone, whether vectors are stored or computed again."""
    folder, options = tmp_path_factory.mktemp("i"), {"candidates": 0.5, "threshold": 0.3, "keep_rule": rule}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_dedupe_index, "make_vectors", hashed)
        patch.setattr(_dedupe_index, "vectors_depend_on", lambda spec: how)
        whole = tmp_path_factory.mktemp("whole")
        at_once = rows_of(table([text for texts in tables for text in texts]), index=whole, **options)
        for texts in tables:
            rows_of(table(texts), index=folder, **options)
    stored = read_index(folder, {})
    groups = zip(stored.group.tolist(), stored.keys, strict=True)
    assert partition(groups) == partition((row["group"], fold(row["text"])) for row in at_once if row["group"])
    assert stored.rows.sum() >= len(stored.keys)


def test_a_row_between_two_groups_keeps_the_older_id_and_notes_the_merge(table, tmp_path, monkeypatch):
    place = {"who is it": (1, 0), "zebras": (0, 1), "who is zebras": (0.8, 0.6)}
    monkeypatch.setattr(_dedupe_index, "make_vectors", lambda spec, keys, device: np.array([place[key] for key in keys], "f4"))
    options = {"index": tmp_path / "i", "threshold": 0.0, "candidates": 0.5}
    (older,), (other,) = rows_of(table(["zebras"], "a.jsonl"), **options), rows_of(table(["who is it"], "b.jsonl"), **options)
    assert older["group"] != other["group"]
    result = run(DedupeConfig(table=table(["who is zebras"], "c.jsonl"), **options))
    (row,) = (dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows)
    assert (row["group"], row["group_size"], row["canonical"]) == (older["group"], 3, False)
    assert (row["duplicate_of"], Path(row["duplicate_in"]).name) == (1, "a.jsonl")
    event = {"event": "merged", "group": other["group"], "into": older["group"]}
    assert read_index(tmp_path / "i", {}).log == [{**event, "table": str(tmp_path / "c.jsonl")}]
    assert f"{tmp_path / 'i'}: group {other['group']} merged into {older['group']}" in result.notes


def test_an_index_of_other_settings_and_a_foreign_folder_change_nothing(table, tmp_path):
    folder, path = tmp_path / "i", table(OLD)
    rows_of(path, index=folder)
    whole = (folder / FILE).read_bytes()
    with pytest.raises(InputError, match=r"was made with threshold 0\.75, not 0\.9"):
        rows_of(table(NEW), index=folder, threshold=0.9)
    assert (folder / FILE).read_bytes() == whole and [item.name for item in folder.iterdir()] == [FILE]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(InputError, match=r"has 'notes\.txt'"):
        rows_of(path, index=tmp_path / "mine")
    with pytest.raises(InputError, match="is not a folder"):
        rows_of(path, index=Path(path))


def test_two_writers_exclude_each_other(table, tmp_path):
    folder = tmp_path / "i"
    rows_of(table(OLD), index=folder)
    with locked(folder), pytest.raises(LockedError):
        rows_of(table(NEW), index=folder)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"index": Path("i"), "against": "x.csv"}, "`index` and `against` cannot be combined"),
        ({"index": Path("i"), "pairs": True}, "`index` and `pairs`"),
        ({"against": "x.csv", "pairs": True}, "`against` and `pairs`"),
        ({"against": "x.csv", "label": 9}, "`against` and `label`"),
        ({"index": Path("i"), "review": Path("r.html")}, "`index` and `review`"),
        ({"index": Path("i"), "keep_rule": "max:score"}, "stores no other columns"),
    ],
)
def test_options_that_cannot_be_combined(options, what):
    with pytest.raises(UsageError, match=what):
        DedupeConfig(**options)


def test_vectors_of_one_run_only_are_refused_and_no_folder_stays(table, tmp_path, monkeypatch):
    monkeypatch.setattr(_dedupe_index, "vectors_depend_on", lambda spec: "run")
    with pytest.raises(UsageError, match="cannot be compared with those of another run"):
        rows_of(table(OLD), index=tmp_path / "i")
    assert not (tmp_path / "i").exists()


def test_the_plan_makes_no_folder(table, tmp_path):
    lines = plan(DedupeConfig(table=table(OLD), index=tmp_path / "i"))
    assert any("compare with the rows" in line for line in lines) and not (tmp_path / "i").exists()


def test_no_torch_is_imported_for_an_index(table, tmp_path):
    code = (
        "import sys; from pathlib import Path;"
        "from dlcli.engines.dedupe.engine import run; from dlcli.specs.dedupe import DedupeConfig;"
        f"run(DedupeConfig(table={table(OLD)!r}, index=Path({str(tmp_path / 'i')!r}))); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
