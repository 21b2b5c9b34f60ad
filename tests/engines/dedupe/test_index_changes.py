"""Rows of an index are forgotten, replaced and corrected: afterwards it answers as one made from the rows that remain."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.core.text.index_dir import FILE, read_index
from dlcli.engines.dedupe import index as _dedupe_index
from dlcli.engines.dedupe.engine import plan, run
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.errors import InputError, LockedError, UsageError
from dlcli.support.lock import locked
from tests.engines.dedupe.test_index import TEXTS, hashed
from tests.recording import RecordingReporter

KEYS = [str(k) for k in range(8)]
NAMES = ["a.jsonl", "b.jsonl"]
ROWS = st.lists(st.tuples(st.sampled_from(KEYS), TEXTS.map(" ".join)), max_size=5, unique_by=lambda row: row[0])
PROBE = [
    ("p1", "how do I exit vim"),
    ("p2", "the cache folder"),
    ("p3", "exit vim 3 4"),
    ("p4", "not this"),
    ("p5", "my machine"),
]
OPERATIONS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(NAMES), ROWS),
    st.tuples(st.just("replace"), st.sampled_from(NAMES), ROWS),
    st.tuples(st.just("forget"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("forget keys"), st.none(), st.lists(st.sampled_from(KEYS), min_size=1, max_size=3)),
)


@pytest.fixture
def table(tmp_path):
    def write(rows, name="t.jsonl"):
        path = tmp_path / name
        lines = (json.dumps({"id": key, "text": text}) + "\n" for key, text in rows)
        path.write_text("".join(lines) or '{"id": "none", "text": ""}\n', encoding="utf-8")
        return str(path)

    return write


def answers(path, folder, **options):
    """What a run finds but ids of groups, which persist and so depend on what an index held before."""
    result = run(DedupeConfig(table=path, column="text", index=folder, key="id", **options))
    return [dict(zip(result.table.columns, row, strict=True)) | {"group": None} for row in result.table.rows]


class RemainingRows:
    """The rows of an index, without an index: tables in the order in which they were added, None for a removed row."""

    def __init__(self):
        self.tables = []

    def apply(self, what, name, given):
        if what == "forget":
            self.tables = [table for table in self.tables if table[0] != name]
        elif what == "forget keys":
            self._remove(set(given))
        else:
            given = given or [("none", "")]
            if what == "replace":
                self.tables = [table for table in self.tables if table[0] != name or table[1] == given]
            known = (name, given) in self.tables
            self._remove({key for key, _ in given}, but=(name, given) if known else None)
            self.tables += [] if known else [(name, given)]

    def _remove(self, keys, but=None):
        # A row without text is not stored, so its table does not change with it.
        def left(rows):
            return [None if row and row[0] in keys and row[1].strip() else row for row in rows]

        self.tables = [table if table == but else (table[0], left(table[1])) for table in self.tables]
        # A table that lost its last row with text is gone.
        self.tables = [
            table for table in self.tables if None not in table[1] or any(row and row[1].strip() for row in table[1])
        ]


def apply(table, folder, what, name, given, options):
    if what == "forget":
        if any(os.path.basename(known) == name for known, _ in read_index(folder, {}).tables):
            run(DedupeConfig(index=folder, forget=(table([], name),), **options))
    elif what == "forget keys":
        gone = table([(key, "x") for key in given], "gone.jsonl")
        if (folder / FILE).exists():
            run(DedupeConfig(index=folder, forget_keys=gone, **options))
    else:
        answers(table(given, name), folder, replace=what == "replace", **options)


@pytest.mark.parametrize("rule", ["central", "first", "longest"])
@pytest.mark.parametrize("how", ["text", "table"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=7))
def test_any_changes_leave_what_an_index_of_the_remaining_rows_has(table, tmp_path_factory, rule, how, operations):
    folder, fresh, options = tmp_path_factory.mktemp("i"), tmp_path_factory.mktemp("f"), {"keep_rule": rule}
    settings_of_both = {"candidates": 0.5, "threshold": 0.3, **options}
    remaining = RemainingRows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_dedupe_index, "make_vectors", hashed)
        patch.setattr(_dedupe_index, "vectors_depend_on", lambda spec: how)
        for operation in operations:
            apply(table, folder, *operation, settings_of_both)
            remaining.apply(*operation)
        for k, (name, rows) in enumerate(remaining.tables):
            # Blank rows stand for removed ones, so that the others keep their numbers.
            kept = [row or (f"gone {k} {place}", "") for place, row in enumerate(rows)]
            answers(table(kept, name), fresh, **settings_of_both)
        expected, found = read_index(fresh, {}), read_index(folder, {})
        assert found.keys == expected.keys and found.texts == expected.texts
        assert found.rows.tolist() == expected.rows.tolist()
        assert np.array_equal(found.pairs, expected.pairs) and np.array_equal(found.probability, expected.probability)
        assert np.array_equal(found.cosine, expected.cosine)
        assert not found.keys or np.array_equal(found.vectors, expected.vectors)
        pairs = set(zip(found.group.tolist(), expected.group.tolist(), strict=True))
        assert len(pairs) == len(set(found.group.tolist())) == len(set(expected.group.tolist()))
        probe = table(PROBE, "probe.jsonl")
        assert answers(probe, folder, **settings_of_both) == answers(probe, fresh, **settings_of_both)


OLD = [("1", "How do I exit Vim?"), ("2", "Where is the cache folder kept?")]


def test_a_corrected_row_replaces_its_old_self(table, tmp_path):
    folder = tmp_path / "i"
    answers(table(OLD, "old.jsonl"), folder)
    corrected = answers(table([("1", "How do I exit Emacs?")], "new.jsonl"), folder)
    assert corrected[0]["canonical"]
    found = answers(table([("3", "how do I exit vim"), ("4", "how do i exit emacs")], "later.jsonl"), folder)
    assert [row["duplicate_of"] for row in found] == [None, 1]
    assert read_index(folder, {}).texts == ["How do I exit Emacs?", "how do I exit vim", "Where is the cache folder kept?"]


def test_an_empty_correction_removes_the_row(table, tmp_path):
    answers(table(OLD, "old.jsonl"), tmp_path / "i")
    answers(table([("1", "")], "new.jsonl"), tmp_path / "i")
    assert read_index(tmp_path / "i", {}).texts == ["Where is the cache folder kept?"]


def test_replace_takes_out_all_rows_of_earlier_tables_of_the_name(table, tmp_path):
    folder, report = tmp_path / "i", RecordingReporter()
    for rows in (OLD, [("3", "What is Rust?")]):
        run(DedupeConfig(table=table(rows, "t.jsonl"), column="text", index=folder))
    whole = run(
        DedupeConfig(table=table([("4", "What is Go?")], "t.jsonl"), column="text", index=folder, replace=True), report=report
    )
    assert whole.rows_canonical == 1 and f"{folder}: 3 rows of {tmp_path / 't.jsonl'} removed" in report.notes
    stored = read_index(folder, {})
    assert stored.texts == ["What is Go?"] and len(stored.tables) == 1
    before = (folder / FILE).read_bytes()
    run(DedupeConfig(table=str(tmp_path / "t.jsonl"), column="text", index=folder, replace=True))
    assert (folder / FILE).read_bytes() == before


def test_a_path_is_the_same_however_it_is_typed(table, tmp_path):
    path, folder = table([("1", "How do I exit vim?"), ("2", "Who is it?")]), tmp_path / "i"
    answers(path, folder)
    dotted = str(tmp_path) + "/./t.jsonl"
    table([("3", "How do I exit vim?")])
    assert answers(dotted, folder, replace=True)[0]["canonical"]
    run(DedupeConfig(index=folder, forget=(str(tmp_path) + "//t.jsonl",)))
    assert read_index(folder, {}).tables == []


def test_forgetting_alone_needs_no_table_and_no_setting_again(table, tmp_path):
    folder = tmp_path / "i"
    for name, rows in (("a.jsonl", OLD), ("b.jsonl", [("3", "how do i exit vim")])):
        run(DedupeConfig(table=table(rows, name), column="text", index=folder, threshold=0.6))
    config = DedupeConfig(index=folder, forget=(str(tmp_path / "a.jsonl"),))
    before = (folder / FILE).read_bytes()
    assert plan(config) == [f"remove 2 rows of {tmp_path / 'a.jsonl'} from {folder}, 0 are left"]
    assert (folder / FILE).read_bytes() == before
    result = run(config)
    assert result.records() == [{"table": str(tmp_path / "a.jsonl"), "rows_removed": 2, "rows_left": 0}]
    assert (result.rows_removed, result.rows_left) == (2, 1) and read_index(folder, {}).texts == ["how do i exit vim"]
    with pytest.raises(InputError, match="has no table 'c.jsonl'; it has '.*b.jsonl'"):
        run(replace(config, forget=("c.jsonl",)))
    with locked(folder), pytest.raises(LockedError):
        run(replace(config, forget=(str(tmp_path / "b.jsonl"),)))


def test_ids_of_groups_that_remain_stay_and_none_is_given_again(table, tmp_path):
    folder = tmp_path / "i"

    def group_of(rows, name):
        result = run(DedupeConfig(table=table(rows, name), column="text", index=folder))
        return [row[result.table.columns.index("group")] for row in result.table.rows]

    (vim,) = group_of([("1", "How do I exit Vim?")], "a.jsonl")
    (cache,) = group_of([("2", "Where is the cache folder kept?")], "b.jsonl")
    run(DedupeConfig(index=folder, forget=(str(tmp_path / "a.jsonl"),)))
    again, same = group_of([("3", "How do I exit Vim?"), ("4", "where is the cache folder kept")], "c.jsonl")
    assert same == cache and again not in (vim, cache)


@pytest.mark.parametrize(
    ("rows", "what"),
    [([("1", "a b"), ("1", "c d")], r"row 2, column 'id': '1' is the key of row 1 too"), ([(" ", "a b")], "row 1.*blank")],
)
def test_keys_that_identify_no_row_are_refused(table, tmp_path, rows, what):
    with pytest.raises(InputError, match=what):
        answers(table(rows), tmp_path / "i")
    assert not (tmp_path / "i").exists()


def test_an_index_with_and_without_keys_are_not_mixed(table, tmp_path):
    answers(table(OLD), tmp_path / "i")
    with pytest.raises(InputError, match="made with key id, not none"):
        run(DedupeConfig(table=table(OLD), column="text", index=tmp_path / "i"))
    run(DedupeConfig(table=table(OLD), column="text", index=tmp_path / "j"))
    with pytest.raises(InputError, match="made without keys of rows"):
        run(DedupeConfig(index=tmp_path / "j", forget_keys=table(OLD)))


@pytest.mark.parametrize("options", [{"key": "id"}, {"replace": True}, {"forget": ("a",)}, {"forget_keys": "a.csv"}])
def test_these_options_need_an_index(options):
    with pytest.raises(UsageError, match=f"`{next(iter(options))}` needs `index`"):
        DedupeConfig(**options)


def both_columns(path, rows):
    path.write_text("title,body\n" + "".join(f"{title},{body}\n" for title, body in rows), encoding="utf-8")
    return str(path)


def test_another_column_is_refused_or_draws_a_warning(tmp_path):
    folder, report = tmp_path / "i", RecordingReporter()
    path = both_columns(tmp_path / "t.csv", [("How do I exit Vim?", "I have tried all keys that I know of")])
    run(DedupeConfig(table=path, column="title", index=folder))
    before = (folder / FILE).read_bytes()
    with pytest.raises(InputError, match=r"made with column title, which .*t\.csv has, not body") as caught:
        run(DedupeConfig(table=path, column="body", index=folder))
    assert caught.value.hint.startswith("use `column=title`") and (folder / FILE).read_bytes() == before
    # The column of the index is taken, although the other one reads more like text.
    assert run(DedupeConfig(table=path, index=folder)).column == "title"
    (tmp_path / "o.csv").write_text("subject,body\nhow do I exit vim,no\n", encoding="utf-8")
    result = run(DedupeConfig(table=str(tmp_path / "o.csv"), column="subject", index=folder), report=report)
    assert result.rows_exact == 1
    assert report.warnings == [f"{tmp_path / 'o.csv'}: its column 'subject' is compared with column 'title' of {folder}"]


def test_an_index_of_version_1_is_read_but_does_not_know_its_rows(table, tmp_path):
    folder = tmp_path / "i"
    run(DedupeConfig(table=table([*OLD, ("3", "how do I exit vim")], "a.jsonl"), column="text", index=folder))
    stored = read_index(folder, {})
    old = replace(
        stored,
        settings={name: value for name, value in stored.settings.items() if name not in ("column", "key", "within", "fold")},
        listed=stored.listed.take(np.array([True, True, False])),
        unlisted=np.array([1, 0]),
    )
    from dlcli.core.text.index_dir import write_index

    write_index(folder, old)
    path = table([("9", "How do I exit Vim?")], "b.jsonl")
    result = run(DedupeConfig(table=path, column="text", index=folder))
    assert dict(zip(result.table.columns, result.table.rows[0], strict=True))["group_size"] == 3
    with pytest.raises(InputError, match="earlier version, which did not store where its rows come from"):
        run(DedupeConfig(index=folder, forget=(str(tmp_path / "a.jsonl"),)))


@pytest.mark.slow
def test_killed_at_any_moment_the_index_is_the_old_one_or_the_new_one(table, tmp_path):
    folder, kept = tmp_path / "i", tmp_path / "kept"
    rows = [(str(k), f"Question number {k} about subject {k * 7919 % 1000}") for k in range(400)]
    run(DedupeConfig(table=table(rows, "a.jsonl"), column="text", index=folder, key="id"))
    shutil.copytree(folder, kept)
    corrected = table([(key, f"{text} again") for key, text in rows[:200]], "b.jsonl")
    options = ["dedupe", corrected, "--column", "text", "--index", str(folder), "--key", "id", "-o", str(tmp_path / "o.csv")]
    rng, seen = np.random.default_rng(0), set()
    for delay in (*rng.uniform(0.3, 2.5, 8), 60):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        with subprocess.Popen([sys.executable, "-m", "dlcli", *options], stderr=subprocess.DEVNULL) as writer:
            started = time.monotonic()
            while writer.poll() is None and time.monotonic() - started < delay:
                time.sleep(0.01)
            writer.send_signal(signal.SIGKILL)
        seen.add(tuple(read_index(folder, {}).texts))
    assert tuple(read_index(kept, {}).texts) in seen or len(seen) == 1
    assert len(seen) <= 2


def test_a_copy_under_another_name_is_another_table_and_a_second_run_is_not(table, tmp_path):
    first, copy, folder = table(OLD, "monday.jsonl"), table(OLD, "tuesday.jsonl"), tmp_path / "i"

    def kept(path):
        result = run(DedupeConfig(table=path, column="text", index=folder, keep=True), report=(reporter := RecordingReporter()))
        return len(result.table.rows), [note for note in reporter.notes if "contents" in note]

    assert kept(first) == (2, [])
    assert kept(copy) == (0, [f"{folder}: {copy} has the same contents as {first}, so its rows are duplicates of those"])
    for again, rows, name in ((first, 2, first), (copy, 0, copy), (f"{tmp_path}/./monday.jsonl", 2, first)):
        assert kept(again) == (rows, [f"{folder}: has {name} with these contents already, so nothing is added"])
    assert [name for name, _ in read_index(folder, {}).tables] == [first, copy]
    run(DedupeConfig(index=folder, forget=(first,)))
    assert kept(copy) == (2, [f"{folder}: has {copy} with these contents already, so nothing is added"])


def test_with_keys_a_copy_replaces_the_rows_that_it_has_too(table, tmp_path):
    for name in ("monday.jsonl", "tuesday.jsonl"):
        assert all(row["canonical"] for row in answers(table(OLD, name), tmp_path / "i"))
    assert [os.path.basename(name) for name, _ in read_index(tmp_path / "i", {}).tables] == ["tuesday.jsonl"]
