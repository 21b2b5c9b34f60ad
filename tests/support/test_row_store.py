"""Rows and contents on disk are those that were given, however many are read at a time."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.support import csv_dialect, row_store, table_content
from dlcli.support.errors import InputError
from dlcli.support.read_tables import parse_table
from dlcli.support.row_store import ChosenRows, MadeRows, StoredRows, collected_rows, stored_rows
from dlcli.support.table_format import TableFormat

cells = st.text(st.sampled_from("ab \"'\r\n,;\tü😀\u2028"), max_size=6)
values = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
)


@contextmanager
def little_memory(at_once: int) -> Iterator[None]:
    """Everything is on disk, and few letters and rows are read at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_store, "_IN_MEMORY", 0)
        patch.setattr(row_store, "AT_ONCE", at_once)
        patch.setattr(table_content, "_CHUNK", at_once)
        patch.setattr(csv_dialect, "_SAMPLE_CHARACTERS", 1)
        yield


@given(st.lists(st.lists(values, max_size=3), max_size=20), st.integers(1, 7), st.data())
def test_rows_on_disk_are_read_as_they_were_given(rows: list[list[object]], at_once: int, data):
    with little_memory(at_once):
        for found in (collected_rows(rows), stored_rows(rows)):
            assert isinstance(found, StoredRows) or len(rows) < at_once
            start, stop = sorted((data.draw(st.integers(0, 25)), data.draw(st.integers(0, 25))))
            assert repr(list(found)) == repr(rows)
            assert repr(found[start:stop]) == repr(rows[start:stop])
            assert [repr(found[k]) for k in range(-len(rows), len(rows))] == [repr(row) for row in [*rows, *rows]]
            kept = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1)))) if rows else []
            assert repr(list(ChosenRows(found, kept))) == repr([rows[k] for k in kept])
            made = MadeRows(lambda first, some: [(first + k, len(row)) for k, row in enumerate(some)], found)
            assert list(made) == [(k, len(row)) for k, row in enumerate(rows)]
            with pytest.raises(IndexError):
                found[len(rows)]


@given(
    st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le", "gb18030"]),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 9),
)
def test_a_csv_that_is_read_part_by_part_has_the_cells_that_were_written(
    rows: list[list[str]], encoding: str, mark: str, newline: str, at_once: int
):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=mark, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([["first", "second"], *rows])
    content = stream.getvalue().replace(newline + '"', newline * 2 + '"', 1).encode(encoding)  # a blank line is no row
    given_encoding = None if encoding in ("utf-8", "utf-8-sig", "utf-16") else encoding
    with little_memory(at_once):
        table = parse_table("t.csv", content, TableFormat(encoding=given_encoding, delimiter=mark, quoting="minimal"))
    assert table.columns == ["first", "second"]
    assert list(table.rows) == rows
    assert table.newline == newline
    assert table.mark is (encoding in ("utf-8-sig", "utf-16"))


@given(st.lists(st.lists(cells, max_size=3), max_size=8), st.integers(1, 9), st.booleans(), st.booleans(), st.booleans())
def test_any_text_is_read_or_refused_alike_as_a_whole_and_part_by_part(rows, at_once, no_header, skip_bad, quoted):
    """The whole text, decoded at once, is the twin: it is what a text has that cannot be decoded in parts."""
    text = "\n".join(",".join(row) for row in rows) if not quoted else "".join(map(repr, rows)).replace("'", '"')
    wanted = TableFormat(no_header=no_header, skip_bad=skip_bad)

    def read() -> object:
        try:
            table = parse_table("t.csv", text.encode(), wanted)
        except InputError as error:
            return str(error), error.hint
        return table.columns, list(table.rows), table.delimiter, table.newline, table.warnings, table.bad_rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlcli.support.read_csv.text_source", lambda content, encoding: None)
        whole = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_store, "_IN_MEMORY", 0)
        patch.setattr(row_store, "AT_ONCE", at_once)
        patch.setattr(table_content, "_CHUNK", at_once)
        assert read() == whole


@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), min_size=1, max_size=8), st.integers(1, 9))
def test_json_lines_that_are_read_part_by_part_have_the_values_that_were_written(rows: list[dict], at_once: int):
    rows[0]["a"] = "\u2028\r"
    content = "\n\n".join(map(json.dumps, rows)).encode()
    with little_memory(at_once):
        table = parse_table("t.jsonl", content)
    assert repr([dict(zip(table.columns, row, strict=True)) for row in table.rows]) == repr(
        [{column: row.get(column) for column in table.columns} for row in rows]
    )
    assert list(table.origin) == [json.dumps(row) for row in rows]


@pytest.mark.parametrize(("content", "message"), [(b"a\nx\n\xff\ny\n", "row 2"), (b"a\nx\ny\n\0\n", "row 3")])
def test_the_place_of_a_fault_far_behind_is_named(content: bytes, message: str):
    with little_memory(2), pytest.raises(InputError, match=message):
        parse_table("t.csv", content)
