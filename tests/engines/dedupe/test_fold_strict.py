"""The option `fold=strict`, for code and formulas: what has other marks or another case is no duplicate."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.core.text.strict import differ_in_form_alone, strict_keys
from dlcli.engines.dedupe.engine import run
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.errors import InputError

PIECES = st.lists(st.sampled_from(["if", "x", "X", ">=", "<=", "5", "(", ")", "[", "]", "return", "a", " ", " "]), max_size=9)


@pytest.fixture
def table(tmp_path):
    def write(rows, name="t.jsonl", names=("code",)):
        lines = (json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
        return str(tmp_path / name)

    return write


def rows_of(**options):
    result = run(DedupeConfig(fold="strict", **options))
    return [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES.map("".join), min_size=1, max_size=12))
def test_exact_duplicates_have_one_strict_key_and_no_pair_differs_in_form_alone(table, texts):
    path = table([[text] for text in texts])
    rows, keys = rows_of(table=path, column="code", threshold=0.1), strict_keys(texts)
    for a, b in itertools.combinations(range(len(rows)), 2):
        if keys[a] and keys[a] == keys[b]:
            assert rows[a]["group"] == rows[b]["group"]
    for pair in run(DedupeConfig(table=path, column="code", fold="strict", threshold=0.1, pairs=True)).table.rows:
        one, other = keys[pair[0] - 1], keys[pair[1] - 1]
        assert pair[4] in ("exact", "folded") or one != other
        assert not differ_in_form_alone([one, other], np.array([0]), np.array([1]))[0]
    for row, key in zip(rows, keys, strict=True):
        assert (row["group"] is None) == (not key)


def test_only_blanks_and_kinds_of_quotes_are_near(table):
    texts = ["x = -1", "x=-1", "print('hello')", 'print("hello")', "x = +1"]
    rows = rows_of(table=table([[text] for text in texts]), column="code")
    groups = [row["group"] for row in rows]
    assert groups[0] == groups[1] and groups[2] == groups[3] and len(set(groups)) == 3
    assert [row["score"] for row in rows if row["duplicate_of"]] == [1, 1]


def test_only_what_a_mask_makes_equal_counts_as_masked(table):
    texts = ["if (a >= b) return 5;", "if (a>=b) return 5;", "if (a >= b) return 7;", "if (a <= b) return 5;"]
    path = table([[text] for text in texts])
    rows = rows_of(table=path, column="code", mask="numbers", keep_rule="first")
    assert [row["match"] for row in rows] == [None, "folded", "masked", None]
    result = run(DedupeConfig(table=path, column="code", mask="numbers", fold="strict", keep_rule="first"))
    assert (result.rows_exact, result.rows_masked) == (1, 1)


def test_pairs_of_columns_and_another_table_are_compared_strictly(table, tmp_path):
    pairs = [("foo()", "foo[]"), ("foo( )", "foo()"), ("a.b", "a b"), ("!", "?"), ("", "x"), ("get_user(id)", "get_user(id=1)")]
    path = table(pairs, names=("one", "two"))
    verdicts = [row["verdict"] for row in rows_of(table=path, pair_columns=("one", "two"))]
    assert verdicts[:5] == ["different", "duplicate", "different", "different", None]
    old = table([["x >= 5"], ["foo()"]], "old.jsonl")
    new = table([["x <= 5"], ["foo ( )"], ["Foo()"]], "new.jsonl")
    assert [row["duplicate_of"] for row in rows_of(table=new, against=old, column="code")] == [None, 2, None]
    rows_of(table=old, index=tmp_path / "i", column="code")
    assert [row["duplicate_of"] for row in rows_of(table=new, index=tmp_path / "i", column="code")] == [None, 2, None]
    with pytest.raises(InputError, match="made with fold strict, not none") as caught:
        run(DedupeConfig(table=new, index=tmp_path / "i", column="code"))
    assert "use `fold=strict`" in caught.value.hint
